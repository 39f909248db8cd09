"""Every key does what the action table says, and none does more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.dashboard import actions
from appliance.dashboard.screens.asset import AssetScreen
from appliance.dashboard.screens.confirm import ConfirmScreen
from appliance.dashboard.screens.help import HelpScreen
from appliance.link.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_window import Window

    Open = Callable[..., Any]

GUARD = "P-101 vibration high-high"
ALARM = "P-101/DE/vibration_rms:high"


@pytest.mark.parametrize(("key", "screen"), list(enumerate(actions.SCREENS, start=1)))
async def test_a_number_goes_to_its_screen_from_anywhere(
    window: Window, key: int, screen: str
) -> None:
    for start in ("5", "3", str(key)):
        await window.press(start)
    await window.until(lambda: window.app.current_mode == screen)


async def test_escape_goes_back_to_the_overview(window: Window) -> None:
    await window.press("4", "escape")
    assert window.app.current_mode == "overview"


async def test_enter_opens_the_asset_under_the_cursor(window: Window) -> None:
    await window.until_text("V-101")
    await window.press("down", "enter")
    await window.until_text("values of T-101")
    await window.press("1", "k", "enter")
    await window.until_text("values of P-101")


async def test_any_alarm_is_two_keys_from_its_asset(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    await window.until_text("2 new")
    await window.press("3", "2")
    await window.until_text("P-101 · pump", "values of P-101")


async def test_cursor_keys_move_and_stay_within_the_list(window: Window) -> None:
    for keys, asset in (
        (("end",), "V-101"), (("down", "j"), "V-101"), (("home",), "P-101"),
        (("up",), "P-101"), (("pagedown",), "V-101"), (("pageup",), "P-101"),
    ):  # fmt: skip
        await window.press(*keys)
        await window.until_text(f"values of {asset}")


async def test_tab_gives_the_keys_to_the_other_list(window: Window) -> None:
    assert window.app.focused is not None
    assert window.app.focused.id == "assets"
    await window.press("tab")
    assert window.app.focused.id == "values"


async def test_a_click_moves_the_cursor(window: Window) -> None:
    await window.until_text("T-101")
    await window.pilot.click("#assets", offset=(4, 1))
    await window.until_text("values of T-101")


async def test_e_w_and_n_change_what_the_asset_shows(window: Window) -> None:
    await window.press("2")
    await window.until_text("envelope spectrum", "health, 5 min")
    await window.press("e", "w")
    await window.until_text("─ spectrum (e)", "health, 60 min")
    screen = window.app.screen
    assert isinstance(screen, AssetScreen)
    await window.press("w", "w", "w")
    await window.until_text("health, 5 min")
    await window.press("n")
    await window.until_text("values of T-101")


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_lists_the_keys_of_the_screen_and_any_key_closes_it(
    window: Window, key: str
) -> None:
    await window.press("3", key)
    assert isinstance(window.app.screen, HelpScreen)
    for action in actions.ACTIONS:
        if action.on("alarms") and not action.name.startswith("show("):
            assert action.help[:40] in window.text
    assert "t, 6 tag" in window.text
    await window.press("x")
    assert window.app.current_mode == "alarms"
    assert not isinstance(window.app.screen, HelpScreen)


@pytest.mark.usefixtures("plant")
async def test_where_there_is_room_help_lists_every_action(open_window: Open) -> None:
    async with open_window((120, 60)) as window:
        await window.until_text("safety armed")
        await window.press("question_mark")
        for action in actions.ACTIONS:
            assert action.help[:40] in window.text


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
@pytest.mark.usefixtures("plant")
async def test_quit_is_always_at_hand(open_window: Open, key: str) -> None:
    async with open_window() as window:
        await window.until_text("safety armed")
        if key != "q":  # even within a dialogue
            await window.press("S")
        await window.press(key)
        assert not window.app.is_running


async def test_the_palette_offers_the_same_table(window: Window) -> None:
    await window.press("4")
    commands = {c.title for c in window.app.get_system_commands(window.app.screen)}
    assert {"reset (r)", "mode (m)", "STOP (S)", "quit (q)"} <= commands
    assert not any(title.startswith("ack ") for title in commands)


async def test_an_alarm_is_acknowledged_after_a_yes(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    await window.until_text("2 new")
    await window.press("a")
    await window.until_text(f"Acknowledge {ALARM}?", "y: yes, do it")
    await window.confirm()
    await window.until_text(f"✓ acknowledged {ALARM}", "1 new")
    assert plant.acted == [("alarms.acknowledge", {"alarm": ALARM})]
    await window.press("3")
    await window.until_text("active, seen")
    await window.press("home")
    await window.until_text("─ P-101/DE/vibration_rms is high ─")
    await window.press("a")
    await window.until_text("is acknowledged already")


async def test_there_may_be_nothing_to_acknowledge(window: Window) -> None:
    await window.press("a")
    await window.until_text("there is no alarm to acknowledge")


async def test_a_trip_is_reset_in_two_steps(plant: Gateway, window: Window) -> None:
    plant.trip()
    await window.press("4")
    await window.until_text("■ P-101 motor TRIPPED")
    await window.press("r")
    await window.until_text(
        "Reset the trip of P-101 motor?", "never restarts", f"First-out: {GUARD}"
    )
    assert plant.acted == []
    await window.confirm()
    await window.until(lambda: plant.acted == [("reset", {})])


async def test_a_refused_reset_says_why(plant: Gateway, window: Window) -> None:
    plant.trip()
    plant.role = Role.VIEWER
    await window.press("4")
    await window.until_text("■ P-101 motor TRIPPED")
    plant.safety_server._role_of = lambda _uid, _gid: Role.VIEWER
    window.app.safety.greet_again()
    await window.until_text("■ P-101 motor TRIPPED")
    await window.press("r")
    await window.confirm()
    await window.until_text("! refused: reset needs the role operator")
    assert plant.tripped


async def test_a_repeating_key_cannot_confirm_what_it_began(
    plant: Gateway, window: Window
) -> None:
    plant.trip()
    await window.press("4")
    await window.until_text("■ P-101 motor TRIPPED")
    await window.press(*"rrrrrrrrrr")
    plant.clock.added_s += 2.0
    await window.press(*"rrrrr", "enter", "space")
    await window.until_text("Reset the trip of P-101 motor?")
    await window.press("n")
    assert not isinstance(window.app.screen, ConfirmScreen)
    assert plant.acted == []


async def test_a_yes_that_comes_at_once_or_too_late_does_nothing(
    plant: Gateway, window: Window
) -> None:
    await window.press("S")
    dialogue = window.app.screen
    assert isinstance(dialogue, ConfirmScreen)
    dialogue._opened_s = plant.clock.now_s()
    await window.press("y")
    plant.clock.added_s += 31.0
    await window.press("y")
    assert plant.acted == []
    await window.press("escape")


async def test_a_stop_is_asked_for_from_any_screen_in_two_steps(
    plant: Gateway, window: Window
) -> None:
    await window.press("5", "S")
    await window.until_text("STOP the machine?", "emergency stop")
    await window.confirm()
    await window.until(lambda: plant.tripped)
    await window.until_text("■ TRIP P-101 motor by operator's stop", "✓ stop requested")
    assert plant.acted == [("stop", {"reason": "requested at the dashboard"})]


async def test_the_mode_is_changed_after_the_claim_was_shown(
    plant: Gateway, window: Window
) -> None:
    await window.press("4", "m")
    await window.until_text("Stand down to observe?", "watchdog")
    await window.confirm()
    await window.until_text("only OBSERVES", "✓ mode is observe")
    await window.press("m")
    await window.until_text("Arm safety?", "equipment-protection stop request", "no")
    await window.confirm()
    await window.until(lambda: plant.state.armed)


async def test_a_bypass_needs_a_reason_and_a_length_and_a_yes(
    plant: Gateway, window: Window
) -> None:
    await window.press("4")
    await window.until_text(f"─ {GUARD} ")
    await window.press("b")
    await window.press("enter")
    await window.until_text("a bypass needs a reason")
    await window.press(*"probe swap", "enter")
    await window.press("x", "enter")
    await window.until_text("is not a duration")
    await window.press("backspace", "1", "h", "enter")
    await window.until_text(f"Bypass {GUARD} for 60 min?", "Reason: probe swap")
    await window.confirm()
    await window.until_text("1 BYPASSED", f"✓ {GUARD} is bypassed", "probe swap")
    (op, args) = plant.acted[-1]
    assert (op, args["initiator"], args["length_s"]) == ("bypass", GUARD, 3600.0)
    await window.press("u")
    await window.until_text(f"End the bypass of {GUARD}?")
    await window.confirm()
    await window.until(lambda: plant.acted[-1][0] == "unbypass")
    await window.until(lambda: "BYPASSED" not in window.text)
    await window.press("u")
    await window.until_text("is not bypassed")


async def test_a_bypass_can_be_left(plant: Gateway, window: Window) -> None:
    await window.press("4")
    await window.until_text(f"─ {GUARD} ")
    await window.press("b", "escape")
    assert plant.acted == []
    assert window.app.current_mode == "trips"


async def test_there_may_be_nothing_to_reset(window: Window) -> None:
    await window.press("4", "r")
    await window.until_text("nothing is tripped")


@pytest.mark.parametrize("key", ["r", "m", "b", "u"])
async def test_what_belongs_to_the_trips_does_nothing_elsewhere(
    plant: Gateway, window: Window, key: str
) -> None:
    for screen in "1235":
        await window.press(screen, key)
        assert not isinstance(window.app.screen, ConfirmScreen)
    assert plant.acted == []


@pytest.mark.parametrize("key", ["r", "m", "S"])
async def test_nothing_is_asked_of_a_safety_that_is_away(
    gateway: Gateway, open_window: Open, key: str
) -> None:
    async with gateway.hub(), open_window() as window:
        await window.until_text("state UNKNOWN")
        await window.press("4", key)
        await window.until_text("safety is not connected: use the panel")


async def test_an_act_whose_answer_is_lost_is_not_called_done(
    gateway: Gateway, open_window: Open
) -> None:
    async with gateway.hub(), open_window() as window:
        async with gateway.safety():
            gateway.run_up()
            await window.until_text("safety armed")
            await window.press("S")
        await window.confirm()
        await window.until_text("not known whether it was done")


async def test_a_strange_answer_is_reported_and_breaks_nothing(
    plant: Gateway, window: Window
) -> None:
    async def nonsense(_args: object, _peer: object) -> object:
        return [1, 2, 3]

    plant.hub_server.operation("status", nonsense)
    window.app.hub.poke("status")
    await window.until_text("! hub: a strange answer to status")
    plant.healthy()
    await window.until_text("1.20 mm/s  good")
