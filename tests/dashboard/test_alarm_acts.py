"""What a person does to an alarm: a form, one more question, then the hub is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.dashboard.shelf import Shelf, Version
from appliance.link.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_window import Window

    Open = Callable[..., Any]

ALARM = "P-101/DE/vibration_rms:high"


@pytest.fixture
async def ill(plant: Gateway, window: Window) -> Window:
    """A dashboard on the alarms of a plant that is ill."""
    plant.fall_ill()
    await window.until(lambda: len(window.app.plant.alarms) == 2)
    await window.press("3")
    await window.until_text(f"▲H ACTIVE, new  {ALARM}")
    return window


async def test_an_alarm_is_shelved_with_a_reason_and_comes_back(
    plant: Gateway, ill: Window
) -> None:
    await ill.press("z", "enter")
    await ill.until_text("a shelf needs a reason")
    await ill.press(*"known", "enter")
    await ill.press(*"8h once", "enter")
    await ill.until_text(f"Shelve {ALARM} for 8 h or until it is gone once?")
    assert plant.acted == []
    await ill.confirm()
    await ill.until_text(f"✓ {ALARM} is shelved", "shelf 8 h")
    wanted = {"alarm": ALARM, "for_s": 28_800.0, "one_shot": True, "reason": "known"}
    assert plant.acted == [("alarms.shelve", wanted)]
    await ill.press("end", "z")
    await ill.until_text(f"Bring {ALARM} back?")
    await ill.confirm()
    await ill.until(lambda: plant.acted[-1] == ("alarms.unshelve", {"alarm": ALARM}))


async def test_an_alarm_goes_out_of_service_and_back(
    plant: Gateway, ill: Window
) -> None:
    await ill.press("o", *"probe gone", "enter")
    await ill.until_text(f"Take {ALARM} OUT OF SERVICE?", "Reason: probe gone")
    await ill.confirm()
    await ill.until_text("out of serv.")
    wanted = {"alarm": ALARM, "reason": "probe gone"}
    assert plant.acted == [("alarms.out_of_service", wanted)]
    await ill.press("end", "o")
    await ill.until_text(f"Put {ALARM} back into service?")
    await ill.confirm()
    await ill.until(lambda: plant.acted[-1] == ("alarms.in_service", {"alarm": ALARM}))


async def test_a_verdict_is_one_of_three_words_with_a_note(
    plant: Gateway, ill: Window
) -> None:
    await ill.press("v", *"maybe", "enter")
    await ill.until_text("t (true), f (false) or u (unknown)")
    await ill.press(*["backspace"] * 5, "t", "enter", *"spall seen", "enter")
    await ill.until_text(f"{ALARM}: true?", "Note: spall seen")
    await ill.confirm()
    await ill.until_text(f"✓ verdict on {ALARM}: true")
    wanted = {"alarm": ALARM, "verdict": "true", "note": "spall seen"}
    assert plant.acted == [("noted", wanted)]


async def test_a_form_that_is_left_and_a_no_do_nothing(
    plant: Gateway, ill: Window
) -> None:
    for key in ("z", "o", "v"):
        await ill.press(key, "escape")
        assert ill.app.current_mode == "alarms"
    await ill.press("o", "x", "enter")
    await ill.until_text("OUT OF SERVICE?")
    await ill.press("n")
    assert plant.acted == []


async def test_a_viewer_may_look_and_not_act(plant: Gateway, open_window: Open) -> None:
    plant.hub_server._role_of = lambda _uid, _gid: Role.VIEWER
    async with open_window() as window:
        await window.until_text("0.98")
        plant.fall_ill()
        await window.until_text("2 new")
        await window.press("3", "a")
        await window.until_text(f"Acknowledge {ALARM}?")
        await window.confirm()
        await window.until_text("! refused: ", "operator")
        assert plant.acted == []


async def test_maintenance_is_put_on_record_with_what_was_done(
    plant: Gateway, window: Window
) -> None:
    await window.press("2", "d", "enter")
    await window.until_text("say what was done")
    await window.press(*"bearing replaced", "enter")
    await window.until_text("P-101 was maintained: bearing replaced?")
    await window.confirm()
    await window.until_text("✓ P-101: maintenance is on record")
    wanted = {"asset": "P-101", "what": "bearing replaced"}
    assert plant.acted == [("noted", wanted)]


async def test_the_machine_is_handed_over_with_a_reason_and_a_length(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    async def begin(args: dict[str, object], _peer: object) -> object:
        asked.append(("begin", dict(args)))
        return {"accepted": True, "committed": False}

    monkeypatch.setattr(window.app.safety, "request", _answering(begin))
    await window.press("4", "h", *"upgrade", "enter", "enter")
    await window.until_text("Hand the machine over to the PLC for 5 min?", "consent")
    await window.confirm()
    await window.until_text("✓ handed over: restart or upgrade now; NOT on disk yet")
    assert asked == [("begin", {"reason": "upgrade", "length_s": 300.0})]


def _answering(act: Any) -> Any:  # noqa: ANN401 - an operation
    async def request(op: str, *, within_s: float, **args: object) -> object:
        assert op == "maintenance.begin"
        assert within_s > 0
        return await act(args, None)

    return request


@pytest.mark.parametrize("state", ["active", "candidate"])
async def test_a_version_that_judges_already_is_not_activated(
    window: Window, state: str
) -> None:
    await window.press("7")
    await window.until_text("there are no models below")
    window.app.plant.shelf = Shelf((Version("P-101", "v7", state),))
    await window.until_text("v7")
    await window.press("c")
    if state == "active":
        await window.until_text("v7 of P-101 judges already")
    else:
        await window.until_text("Let v7 judge P-101?")


async def test_what_the_shelf_refuses_is_said(window: Window) -> None:
    """The child process is the real one; there is no such model."""
    await window.press("7")
    await window.until_text("there are no models below")
    window.app.plant.shelf = Shelf((Version("P-101", "v7", "candidate"),))
    await window.until_text("v7")
    await window.press("p")
    await window.until_text("Go back to the previous model of P-101?")
    await window.confirm()
    await window.until_text("! refused: ")
