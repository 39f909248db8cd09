"""What is on the terminal: normal, in alarm, tripped, disconnected; two sizes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from appliance.alarms.metrics import Metrics
from appliance.dashboard import actions, feed
from appliance.dashboard.palette import COLOURS_OF_ALARM
from appliance.dashboard.past import KPI_EVERY_S
from appliance.dashboard.screens.alarms import AlarmsScreen
from appliance.runtime.tasks import companions
from appliance.wire.messages import TagEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_window import Window

    Open = Callable[..., Any]

SIZES = ((80, 24), (120, 40))
VIBRATION = "P-101/DE/vibration_rms"
SCREENS = {str(place): name for place, name in enumerate(actions.SCREENS, start=1)}


def colours(window: Window) -> set[str]:
    """Return the colours on the terminal."""
    found = set()
    for strip in window.app.screen._compositor.render_strips():
        for segment in strip:
            style = segment.style
            if style is not None and segment.text.strip():
                found |= {str(c.name) for c in (style.color, style.bgcolor) if c}
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("key", SCREENS)
async def test_a_healthy_plant_shows_no_colour_of_an_alarm(
    plant: Gateway, open_window: Open, size: tuple[int, int], key: str
) -> None:
    plant.models = {"P-101": "v1"}
    async with open_window(size) as window:
        await window.until_text("safety armed")
        await window.press(key)
        await window.until(lambda: window.app.plant.status and window.app.plant.outbox)
        window.app.redraw()
        await window.pilot.pause()
        shown = colours(window)
        text = window.text
    assert not shown & {c for c in COLOURS_OF_ALARM if key != "5"}
    names = actions.SHORT if size[0] == 80 else actions.SCREENS
    assert names[int(key) - 1] in text.splitlines()[0]
    assert SCREENS[key] == window.app.current_mode
    assert "q quit" in text.splitlines()[-1]
    assert all(len(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_overview_says_what_is_wrong_how_sure_and_what_to_do(
    plant: Gateway, open_window: Open, size: tuple[int, int]
) -> None:
    async with open_window(size) as window:
        await window.until_text("0.98")
        plant.fall_ill()
        await window.until_text(
            "▲H P-101/DE/vibration_rms is high (active, not acknowledged)",
            "measured 5.20 mm/s, limit 4.50; good",
            "the model agrees: score 3.2 × its limit, mostly DE/vibration_rms",  # noqa: RUF001
            "remaining life 40 h (21 h to 77 h, 8 in 10)",
            "WHAT TO DO Compare the spectrum",
            "and 1 more (3)",
            "▲H1",
            "▼M1",
            "2 new",
        )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("key", SCREENS)
async def test_the_trip_and_its_first_out_stand_on_every_screen(
    plant: Gateway, open_window: Open, size: tuple[int, int], key: str
) -> None:
    async with open_window(size) as window:
        await window.press(key)
        await window.until_text("safety armed")
        plant.trip()
        await window.until_text(
            "■ TRIP P-101 motor by P-101 vibration high-high · stop confirmed"
        )


async def test_the_overview_of_a_trip_says_what_to_do_before_anything_else(
    plant: Gateway, window: Window
) -> None:
    plant.trip()
    await window.until_text(
        "P-101 motor STOPPED",
        "by P-101 vibration high-high",
        "the stop is confirmed by its feedback",
        "3 of 3 channels demand it (2oo3): 8.00 8.00 8.00 mm/s, limit 7.10",
        "Do not restart; inspect the drive-end bearing",
    )


async def test_the_asset_shows_health_trend_cause_life_and_spectrum(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    await window.press("2")
    await window.until_text(
        "P-101 · pump · Feed pump, 22 kW",
        "0.41",
        "life 40 h (21…77 h), 8 in 10",
        "mostly  P-101/DE/vibration_rms, now 5.20 mm/s (good",
        "health, 5 min",
        "envelope spectrum",
        "outer race 75 Hz",
        "█",
    )


async def test_an_alarm_shows_all_that_its_operator_needs(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    await window.press("3")
    await window.until_text(
        "2 alarms, 2 not acknowledged",
        "ACTIVE, new",
        "WHAT TO DO  Compare the spectrum with the bearing's defect frequencies",
        "cause       Bearing damage, unbalance",
        "otherwise   The machine will be stopped at 7.1 mm/s",
        "now         5.20 mm/s, limit 4.50; good",
    )


async def test_the_trips_show_matrix_channels_and_the_honest_claim(
    plant: Gateway, window: Window
) -> None:
    plant.trip()
    await window.press("4")
    await window.until_text(
        "safety is ARMED",
        "not a certified safety function",
        "■ P-101 motor TRIPPED by P-101 vibration high-high",
        "1 P-101 vibration high-high  demand",
        "2oo3",
        "■ P-101/DE/vibration_rms_B",
        "demands the stop",
    )


async def test_the_system_shows_processes_buffer_uplink_and_models(
    plant: Gateway, window: Window
) -> None:
    plant.models = {"P-101": "20261121-1"}
    await window.press("5")
    await window.until_text(
        "hub         answers",
        "safety      answers",
        "uplink connected, MQTT V5",
        "skid-modbus lost",
        "120 read, 118 stored",
        "3 rows, 900 B",
        "version 20261121-1 judges",
        "12.0 MB of 200 MB, 6 %",
        "full in     25 h",
        "20.0 GB free of 32.0 GB",
        "12 % busy, load 0.4/2",
        "90 d left",
    )


async def test_without_any_process_every_screen_says_so(open_window: Open) -> None:
    async with open_window() as window:
        await window.until_text("DISCONNECTED: hub", "DISCONNECTED")
        for key in "2345":
            await window.press(key)
            await window.until_text("DISCONNECTED")
        await window.press("1")
        await window.until_text("The hub has not answered", "state UNKNOWN")


async def test_when_the_hub_goes_every_value_is_old_at_once_and_fresh_when_it_is_back(
    gateway: Gateway, open_window: Open
) -> None:
    async with gateway.safety():
        gateway.run_up()
        async with open_window() as window:
            async with gateway.hub():
                gateway.healthy()
                await window.until_text("1.20 mm/s  good")
            await window.until_text("DISCONNECTED: hub", "values are OLD")
            assert "?1.20 mm/s  no link" in window.text
            assert " good " not in window.text
            assert "safety armed" in window.text
            async with gateway.hub():
                gateway.healthy()
                await window.until_text("1.20 mm/s  good")
                assert "DISCONNECTED" not in window.text


async def test_when_safety_goes_its_state_is_unknown_and_values_stay_fresh(
    gateway: Gateway, open_window: Open
) -> None:
    async with gateway.hub(), open_window() as window:
        async with gateway.safety():
            gateway.run_up()
            gateway.healthy()
            await window.until_text("1.20 mm/s  good", "safety armed")
        await window.until_text("safety: state UNKNOWN", "DISCONNECTED")
        gateway.healthy()
        await window.until_text("1.20 mm/s  good", "Safety has not answered")


async def test_a_value_that_is_not_confirmed_grows_stale_and_a_bad_one_has_no_number(
    plant: Gateway, window: Window
) -> None:
    from appliance.domain.sample import Quality  # noqa: PLC0415 - of this case alone

    plant.clock.added_s += 9.0
    await window.until_text("?1.20 mm/s  stale")
    plant.publish({"P-101/DE/vibration_rms": 9.9}, quality=Quality.BAD)
    await window.until_text("×---")  # noqa: RUF001
    assert "9.9" not in window.text


async def test_a_hub_with_new_tags_is_greeted_again(
    plant: Gateway, window: Window
) -> None:
    from appliance.domain.tag import Tag, TagId  # noqa: PLC0415 - of this case alone
    from appliance.wire.events import tag_table  # noqa: PLC0415

    name = TagId("P-101/added_later")
    plant._tags[name] = Tag(name, "bar")
    plant.numbers[name] = 999
    plant.hub_server.set_tags("epoch", tag_table(plant._tags, plant.numbers))
    plant.publish({name: 4.5})
    await window.until(lambda: name in window.app.plant.readings)


async def test_names_are_literal_whatever_they_look_like(
    gateway: Gateway, open_window: Open
) -> None:
    name = "[red]泵-101[b]"
    row = {"id": f"{name}/x:high", "tag": f"{name}/x", "rule": "high", "active": True,
           "priority": "high", "state": "active_unack", "acknowledged": False,
           "action": "[b]look[/b] \x1b[31mred", "actor": "\x00"}  # fmt: skip

    async def alarms(_args: object, _peer: object) -> object:
        return [row]

    server = gateway._server("hub")
    server.set_tags("e", (TagEntry(1, f"{name}/x", "[°]"),))
    server.operation("alarms.list", alarms)
    async with open_window() as window, companions() as tasks:
        tasks.start(server.serve(), name="test.hub")
        await window.until_text(f"{name}/x is high", "[b]look[/b] �[31mred")
        await window.press("3")
        await window.until_text(f"{name}/x:high", "▲H ACTIVE, new")
        await window.press("2")
        await window.until_text(f"values of {name}", "[°]")


async def test_without_colour_every_sign_is_still_there(
    plant: Gateway, open_window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_window() as window:
        await window.until_text("0.98")
        plant.fall_ill()
        plant.trip()
        await window.until_text("■ TRIP", "▲H1", "▼M1", "■C P-101 motor STOPPED")
        assert window.app.no_color


async def test_a_hub_that_hangs_is_as_good_as_gone(
    plant: Gateway, open_window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_args: object, _peer: object) -> object:
        await asyncio.Event().wait()
        raise AssertionError

    async with open_window() as window:
        await window.until_text("1.20 mm/s  good")
        monkeypatch.setattr(feed, "ANSWER_WITHIN_S", 0.2)
        plant.hub_server.operation("status", hang)
        await window.until_text("DISCONNECTED: hub", "no link")


async def test_a_terminal_that_changes_its_size_is_filled_again(
    window: Window,
) -> None:
    await window.pilot.resize_terminal(120, 40)
    await window.until(lambda: len(window.text.splitlines()) == 40)
    await window.until_text("demo/gateway-1", "q quit")
    await window.pilot.resize_terminal(60, 16)
    await window.until(lambda: max(map(len, window.text.splitlines())) <= 60)
    await window.until_text("q quit")


async def test_an_error_in_one_screen_leaves_the_banner_and_the_others(
    plant: Gateway, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("no such row")

    monkeypatch.setattr(AlarmsScreen, "show_body", broken)
    await window.press("3")
    plant.trip()
    await window.until_text(
        "! this screen cannot be drawn: RuntimeError('no such row')",
        "■ TRIP P-101 motor by P-101 vibration high-high",
    )
    await window.press("4")
    await window.until_text("■ P-101 motor TRIPPED")
    assert "cannot be drawn" not in window.text


async def test_ten_thousand_tags_are_listed_and_walked(
    gateway: Gateway, open_window: Open
) -> None:
    server = gateway._server("hub")
    names = [f"M-1/tag_{number:05}" for number in range(10_000)]
    server.set_tags("e", tuple(TagEntry(n, name) for n, name in enumerate(names)))
    async with open_window() as window, companions() as tasks:
        tasks.start(server.serve(), name="test.hub")
        await window.until_text("tag_00000")
        await window.press("2")
        await window.until_text("─ values of M-1", "tag_00001")
        await window.press("end")
        await window.until_text("tag_09999")
        await window.press("enter")
        await window.until_text("─ M-1/tag_09999 ")
        await window.press("n")
        await window.until_text("─ M-1/tag_00000 ")


async def test_the_figures_of_the_alarms_are_asked_for_while_somebody_looks(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    await window.until(lambda: len(window.app.plant.alarms) == 2)
    await window.press("9")
    await window.until_text("2 alarms since", "too early to judge all", "per hour")
    plant.metrics = Metrics(0, {})
    await window.press("1", "9")
    kpis = window.app.plant.kpis
    assert kpis is not None
    assert kpis.since_ns
    plant.clock.added_s += KPI_EVERY_S
    await window.until_text("0 alarms since 01-01 00:00:00")


async def test_one_of_the_most_frequent_is_opened_at_its_tag(
    plant: Gateway, window: Window
) -> None:
    plant.fall_ill()
    await window.press("9")
    await window.until_text("mend these first", f"{VIBRATION}:high")
    await window.press("home", "enter")
    await window.until_text(f"─ {VIBRATION} ")
    await window.press("escape")
    assert window.app.current_mode == "kpi"
