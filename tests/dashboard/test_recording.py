"""A session is recorded while the window is open, and shown again without a plant."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from appliance.dashboard.app import Dashboard
from appliance.dashboard.record import Recorder
from appliance.dashboard.replay import Replay
from appliance.dashboard.session import Answer, Past, SessionError, Told, Up, read_notes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_side import SteeredClock
    from tests.support.dashboard_window import Window

    Drive = Callable[[Dashboard, object, object], Window]

ALARM = "P-101/DE/vibration_rms:high"


@asynccontextmanager
async def recorded(plant: Gateway, path: Path, drive: Drive) -> AsyncIterator[Window]:
    recorder = Recorder(path)
    app = Dashboard(plant.run_dir, clock=plant.clock, zone=UTC, recorder=recorder)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            yield drive(app, pilot, plant.clock)
    finally:
        recorder.close()


async def test_a_session_is_shown_again_pace_by_pace(
    plant: Gateway, clock: SteeredClock, tmp_path: Path, drive: Drive
) -> None:
    path = tmp_path / "night.session"
    async with recorded(plant, path, drive) as window:
        await window.until_text("0.98")
        await window.press("t")
        await window.until(lambda: window.app.plant.histories)
        await window.press("1")
        clock.added_s += 10.0
        plant.fall_ill()
        await window.until_text("2 new")
        await window.press("a")
        await window.confirm()
        await window.until_text("1 new", f"✓ acknowledged {ALARM}")
    with path.open("rb") as file:
        kinds = {type(note.what) for note in read_notes(file)}
    assert {Up, Told, Answer, Past} <= kinds
    acted = list(plant.acted)
    with path.open("rb") as file:
        app = Replay(file, clock=clock, run_dir=tmp_path / "nowhere", zone=UTC)
        async with app.run_test(size=(80, 24)) as pilot:
            again = drive(app, pilot, clock)
            await again.until_text("safety armed", "0.98")
            await again.until_text("RECORDING", "1 times as fast")
            assert "new" not in again.text.splitlines()[0]
            await again.press("space")
            await again.until_text("stands")
            clock.added_s += 500.0
            await again.press("right_square_bracket")
            await again.press(*["full_stop"] * 14)
            assert app.clock.passed_s == 14.0
            await again.until_text("2 new", "P-101/DE/vibration_rms is high")
            await again.press("a")
            await again.until_text("! this is a recording: nothing can be done")
            clock.added_s += 20.0
            await again.press("space")
            await again.until_text("2 times as fast")
            clock.added_s += 100.0
            await again.until_text("1 new")
            clock.added_s += 100.0
            await again.until_text("it ends here")
            await again.press("left_square_bracket", "left_square_bracket")
            assert app.clock.speed == 0.5
    assert plant.acted == acted


async def test_a_broken_file_is_shown_up_to_where_it_breaks(
    plant: Gateway, clock: SteeredClock, tmp_path: Path, drive: Drive
) -> None:
    path = tmp_path / "broken.session"
    async with recorded(plant, path, drive) as window:
        await window.until_text("0.98")
    with path.open("ab") as file:
        file.write(b"\x00\x00\x00\x02??")
    with path.open("rb") as file:
        app = Replay(file, clock=clock, run_dir=tmp_path, zone=UTC)
        async with app.run_test(size=(80, 24)) as pilot:
            await drive(app, pilot, clock).until_text("0.98", "broken here")


async def test_an_empty_session_is_refused(tmp_path: Path, clock: SteeredClock) -> None:
    path = tmp_path / "empty.session"
    Recorder(path).close()
    with path.open("rb") as file, pytest.raises(SessionError, match="nothing in"):
        Replay(file, clock=clock, run_dir=tmp_path)
