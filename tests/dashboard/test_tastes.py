"""Other keys, other colours, a slow line: what a person wants, in the window itself."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from appliance.dashboard.app import Dashboard
from appliance.dashboard.palette import MONO, PALETTES, PAPER
from appliance.dashboard.picture import frame_of, pieces_of
from appliance.dashboard.preferences import preferences_of
from appliance.dashboard.screens.confirm import ConfirmScreen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_window import Window

    Drive = Callable[[Dashboard, object, object], Window]


@asynccontextmanager
async def wanted(plant: Gateway, drive: Drive, text: str) -> AsyncIterator[Window]:
    app = Dashboard(
        plant.run_dir, clock=plant.clock, zone=UTC, preferences=preferences_of(text)
    )
    async with app.run_test(size=(80, 24)) as pilot:
        window = drive(app, pilot, plant.clock)
        await window.until_text("vibration_rms")
        yield window


async def test_changed_keys_act_and_are_shown_and_the_old_ones_are_dead(
    plant: Gateway, drive: Drive
) -> None:
    plant.fall_ill()
    keys = (
        '[keys]\nacknowledge = "z"\nshelve = "a"\nstop = "f12"\nsystem = "#"\n'
        'closer = "*"\nfocus_next = "ctrl+n"\nquit_anywhere = "ctrl+q"\n'
    )
    async with wanted(plant, drive, keys) as window:
        await window.until_text("2 new", "f12 STOP", "z ack")
        await window.press("S", "5")
        assert not isinstance(window.app.screen, ConfirmScreen)
        assert window.app.current_mode == "overview"
        for _ in range(2):  # as often as one likes
            await window.press("z")
            await window.until_text("Acknowledge P-101/DE/vibration_rms:high?")
            await window.press("n")
        await window.press("number_sign")
        assert window.app.current_mode == "system"
        await window.press("f12")
        await window.until_text("STOP the machine?")
        await window.press("n")
        await window.press("question_mark")
        await window.until_text("f12", "ask the PLC for a stop")
        await window.press("escape")
        await window.press("3", "a")
        await window.until_text("Shelve")
        await window.press("escape")
        commands = window.app.get_system_commands(window.app.screen)
        titles = {command.title for command in commands}
        assert {"ack (z)", "shelve (a)", "STOP (f12)"} <= titles
        await window.press("1")
        assert window.app.focused is not None
        before = window.app.focused.id
        await window.press("ctrl+n")
        assert window.app.focused is not None
        assert window.app.focused.id != before
        assert not plant.acted


@pytest.mark.parametrize("theme", [PAPER, MONO])
async def test_another_theme_paints_all_and_says_the_same(
    plant: Gateway, drive: Drive, theme: str
) -> None:
    plant.fall_ill()
    plant.trip()
    async with wanted(plant, drive, f'theme = "{theme}"') as window:
        await window.until_text("▲H1", "▼M1", "■C P-101 motor STOPPED", "■ TRIP")
        ground = PALETTES[theme].colours.ground
        assert frame_of(window.app)["ground"] == ground
        line = pieces_of(window.app)[1]
        assert "TRIP" in line[0].text
        style = line[0].style
        if theme == MONO:
            assert style.reverse
        else:
            assert style.bgcolor is not None
            assert style.bgcolor.name == PALETTES[PAPER].colours.critical_on


async def test_no_color_takes_the_colours_away_where_nobody_has_chosen(
    plant: Gateway, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with wanted(plant, drive, "") as window:
        assert window.app.theme == MONO


async def test_while_the_line_is_busy_nothing_is_drawn_but_what_keys_ask_for(
    plant: Gateway, drive: Drive
) -> None:
    async with wanted(plant, drive, "bytes_per_s = 1000") as window:
        budget = window.app._budget
        assert budget.may_draw(plant.clock.now_s())
        budget.spend(10_000)
        await window.press("5")
        assert window.app.current_mode == "system"
        await window.until_text("processes")
        assert not budget.may_draw(plant.clock.now_s())
        plant.clock.added_s += 30.0
        assert budget.may_draw(plant.clock.now_s())
