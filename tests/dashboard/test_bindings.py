"""Every key of the action table is pressed here: a row that nobody tests fails."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from appliance.dashboard import actions
from appliance.dashboard.screens.alarms import AlarmsScreen
from appliance.dashboard.screens.asset import AssetScreen
from appliance.dashboard.screens.confirm import ConfirmScreen
from appliance.dashboard.screens.events import EventsScreen
from appliance.dashboard.screens.form import FormScreen
from appliance.dashboard.screens.help import HelpScreen
from appliance.dashboard.screens.tag import LENGTHS_S, TagScreen
from appliance.dashboard.shelf import Shelf, Version
from appliance.dashboard.widgets.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_window import Window

    Check = Callable[["Window"], object]

VIBRATION = "P-101/DE/vibration_rms"
_SHARES = 5


def _screen(window: Window) -> Any:  # noqa: ANN401 - one of several
    return window.app.screen


def _mode(name: str) -> Check:
    return lambda window: window.app.current_mode == name


def _dialogue(kind: type) -> Check:
    return lambda window: isinstance(window.app.screen, kind)


def _says(text: str) -> Check:
    return lambda window: text in window.text


def _focus(window: Window) -> str | None:
    focused = window.app.focused
    return None if focused is None else focused.id


def _in_test_keys(window: Window) -> bool:
    """To leave needs an application of its own: see `test_quit_is_always_at_hand`."""
    del window
    return False


CASES: dict[tuple[str, str], tuple[tuple[str, ...], Check]] = {
    ("a", "act('acknowledge')"): (("3",), _dialogue(ConfirmScreen)),
    ("z", "act('shelve')"): (("3",), _dialogue(FormScreen)),
    ("v", "act('verdict')"): (("3",), _dialogue(FormScreen)),
    ("f", "turn('filter')"): (("3",), lambda w: _screen(w).chosen != "all"),
    ("g", "turn('group')"): (("3",), lambda w: _screen(w).grouping != "as needed"),
    ("o", "act('service')"): (("3",), _dialogue(FormScreen)),
    ("r", "act('reset')"): (("4",), _says("nothing is tripped")),
    ("m", "act('mode')"): (("4",), _dialogue(ConfirmScreen)),
    ("b", "act('bypass')"): (("4",), _dialogue(FormScreen)),
    ("u", "act('unbypass')"): (("4",), _says("is not bypassed")),
    ("h", "act('handover')"): (("4",), _dialogue(FormScreen)),
    ("e", "turn('envelope')"): (("2",), lambda w: not _screen(w).envelope),
    ("w", "turn('window')"): (("2",), lambda w: _screen(w).window_s == 3600.0),
    ("n", "turn('next')"): (("2",), lambda w: _screen(w).asset_id == "T-101"),
    ("d", "act('maintained')"): (("2",), _dialogue(FormScreen)),
    ("plus", "turn('closer')"): (("t",), _says("last 60 s")),
    ("equals_sign", "turn('closer')"): (("t",), _says("last 60 s")),
    ("minus", "turn('wider')"): (("t",), _says("last 15 min")),
    ("left", "turn('earlier')"): (("t",), _says("5 min until")),
    ("right", "turn('later')"): (("t", "left", "left"), _says("5 min until")),
    ("0", "turn('newest')"): (("t", "left"), _says("last 5 min")),
    ("x", "turn('oldest')"): (("t",), _says("5 min until")),
    ("c", "act('activate')"): (("7",), _dialogue(ConfirmScreen)),
    ("p", "act('roll_back')"): (("7",), _dialogue(ConfirmScreen)),
    ("enter", "open"): (("3",), lambda w: _screen(w).whole),
    ("1", "show('overview')"): (("5",), _mode("overview")),
    ("2", "show('asset')"): ((), _mode("asset")),
    ("3", "show('alarms')"): ((), _mode("alarms")),
    ("4", "show('trips')"): ((), _mode("trips")),
    ("5", "show('system')"): ((), _mode("system")),
    ("t", "show('tag')"): ((), _mode("tag")),
    ("6", "show('tag')"): ((), _mode("tag")),
    ("7", "show('models')"): ((), _mode("models")),
    ("8", "show('events')"): ((), _mode("events")),
    ("9", "show('kpi')"): ((), _mode("kpi")),
    ("S", "act('stop')"): (("8",), _dialogue(ConfirmScreen)),
    ("question_mark", "help"): ((), _dialogue(HelpScreen)),
    ("f1", "help"): ((), _dialogue(HelpScreen)),
    ("q", "quit"): ((), _in_test_keys),
    ("ctrl+q", "quit"): ((), _in_test_keys),
    ("ctrl+c", "quit"): ((), _in_test_keys),
    ("escape", "back"): (("3", "8"), _mode("alarms")),
    ("tab", "app.focus_next"): ((), lambda w: _focus(w) == "values"),
}


def test_every_key_of_the_table_has_a_case() -> None:
    table = {(k, each.name) for each in actions.ACTIONS for k in each.keys.split(",")}
    assert table == set(CASES)


async def _as_new(window: Window) -> None:
    """Bring every screen back to how it begins, without a new application."""
    app = window.app
    while len(app.screen_stack) > 1:
        await window.press("escape")
    for screen in [stack[0] for stack in app._screen_stacks.values() if stack]:
        match screen:
            case AlarmsScreen():
                screen.chosen, screen.grouping, screen.whole = "all", "as needed", False
            case AssetScreen():
                screen.envelope, screen.window_s = True, 300.0
            case TagScreen():
                screen.tag, screen._end_ns, screen._searching = "", None, False
                screen._length = LENGTHS_S.index(300.0)
    await app.action_show("overview")
    app.query_one("#assets", Listing).action_end(-1)
    app.query_one("#assets").focus()
    app._notice_until_s = 0.0
    app.redraw()


@pytest.mark.parametrize("share", range(_SHARES))
async def test_every_key_does_what_the_table_says(
    plant: Gateway, window: Window, share: int
) -> None:
    plant.fall_ill()
    await window.until(lambda: len(window.app.plant.alarms) == 2)
    cases = [case for case in CASES.items() if case[0][1] != "quit"]
    for (key, name), (before, done) in cases[share::_SHARES]:
        await _as_new(window)
        await window.press(*before)
        shelf = Shelf((Version("P-101", "v2", "candidate"),))
        window.app.plant.shelf = shelf
        window.app.redraw()
        await window.press(key)
        await window.until(partial(done, window), f"{key}: {name}")
        assert not plant.acted, "one key alone never does anything"


async def test_a_tag_is_two_keys_away(plant: Gateway, window: Window) -> None:
    plant.fall_ill()
    await window.until(lambda: len(window.app.plant.alarms) == 2)
    for keys, words in (
        (("1", "t"), (f"─ {VIBRATION} ", "■X above 7.10 trip", "▲H above 4.50 high")),
        (("3", "t"), (f"─ {VIBRATION} ", "quality", "lowest 0.9")),
        (("2", "down", "enter"), ("─ P-101/motor/speed ",)),
        (("4", "t"), (f"─ {VIBRATION} ",)),
        (("8", "t"), ("last 5 min",)),
    ):
        await _as_new(window)
        for key in keys:
            await window.press(key)
            window.app.redraw()
            await window.pilot.pause()
        await window.until_text(*words)


async def test_escape_goes_the_way_back_that_we_came(window: Window) -> None:
    for key in ("3", "2", "t"):
        await window.press(key)
    for mode in ("asset", "alarms", "overview", "overview"):
        await window.press("escape")
        assert window.app.current_mode == mode


async def test_a_click_on_the_cursor_opens_what_it_stands_on(window: Window) -> None:
    await window.until_text("T-101")
    await window.pilot.click("#assets", offset=(4, 1))
    await window.until_text("values of T-101")
    await window.pilot.click("#assets", offset=(4, 1))
    await window.until(lambda: isinstance(window.app.screen, AssetScreen))


async def test_the_closest_and_the_widest_look_have_an_end(window: Window) -> None:
    await window.press("t")
    await window.press(*["plus"] * 20)
    await window.until_text("last 10 s")
    await window.press(*["minus"] * 20)
    await window.until_text("last 1825 d")
    await window.press("left", "right", "right")
    screen = window.app.screen
    assert isinstance(screen, TagScreen)
    assert screen.view(window.app.now).live


async def test_a_zoom_keeps_the_middle_where_it_was(window: Window) -> None:
    await window.press("t", "left", "left")
    screen = window.app.screen
    assert isinstance(screen, TagScreen)
    wide = screen.view(window.app.now)
    await window.press("plus")
    close = screen.view(window.app.now)
    assert close.length_s == 60.0
    assert (close.from_ns + close.to_ns) // 2 == (wide.from_ns + wide.to_ns) // 2


async def test_the_log_is_read_page_by_page_to_its_beginning(window: Window) -> None:
    await window.press("8")
    await window.until_text("old event 300", "older ones follow")
    await window.press("end")
    await window.until(lambda: window.app.plant.events.complete)
    screen = window.app.screen
    assert isinstance(screen, EventsScreen)
    await window.until(lambda: len(screen._events) >= 302)
    await window.press("end")
    await window.until_text("what     old event 1\n")
    await window.press("f")
    assert screen.kind == "alarm"
    await window.until_text("alarm: 0 events")


async def test_in_a_flood_the_list_shows_roots_and_says_what_lies_below(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    plant.flood = True
    await window.press("3")
    await window.until_text("FLOOD: 2 alarms, 2 not acknowledged; 1 below others", "+1")
    await window.press("g", "g")
    screen = window.app.screen
    assert isinstance(screen, AlarmsScreen)
    await window.until_text("P-101/anomaly_score:score", "one by one")
    await window.press("f", "f", "f")
    await window.until_text("only: put aside")
    assert screen.chosen_alarm(window.app.plant, window.app.now) is None
    await window.press("z")
    await window.until_text("! there is no alarm")


async def test_the_mouse_goes_to_screens_and_presses_the_keys_at_the_foot(
    window: Window,
) -> None:
    banner = window.text.splitlines()[0]
    await window.pilot.click("#banner", offset=(banner.index("4trip") + 2, 0))
    await window.until(lambda: window.app.current_mode == "trips")
    foot = window.text.splitlines()[-1]
    await window.pilot.click("#footer", offset=(foot.index("S STOP"), 0))
    await window.until(lambda: isinstance(window.app.screen, ConfirmScreen))
    await window.press("n")
    await window.pilot.click("#banner", offset=(78, 0))
    await window.pilot.click("#footer", offset=(79, 0))
    assert window.app.current_mode == "trips"
