"""Alarms over batches: delays, times, restarts, and what they cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.alarms.acts import Acknowledge, Reset, Shelve, TakeOut
from appliance.alarms.engine import AlarmEngine, UnknownAlarmError
from appliance.alarms.lifecycle import Change, NotPossibleError, State
from appliance.alarms.watch import Place
from appliance.config import AlarmSettings
from appliance.domain.batch import bad_batch, batch_of, keep_alive
from appliance.domain.sample import STATUS_BAD_SENSOR_FAILURE, Quality
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.alarms.acts import Act
    from appliance.domain.batch import Batch
    from appliance.domain.event import Event

_S = 1_000_000_000
EPOCH_NS = 1_700_000_000 * _S
VIBRATION, PRESSURE, SCORE = 7, 8, 9
PLACES = {
    TagId("P-101/DE/vibration_rms"): Place(VIBRATION, "plc.poll", 5.0, "mm/s"),
    TagId("P-101/suction_pressure"): Place(PRESSURE, "plc.poll", 5.0, "bar"),
    TagId("P-101/anomaly_score"): Place(SCORE, "inference.P-101", 3.0),
}


def alarm(
    rule: str, tag: str = "P-101/DE/vibration_rms", **keys: object
) -> AlarmSettings:
    if rule in {"high", "low", "rate"}:
        keys.setdefault("setpoint", 4.5)
    return AlarmSettings.model_validate({"tag": tag, "rule": rule, **keys})


class Bench:
    """An engine and a clock that is set by hand."""

    def __init__(
        self, *alarms: AlarmSettings, recalled: dict[str, Event] | None = None
    ) -> None:
        self.engine = AlarmEngine(
            alarms, PLACES, now_s=0.0, utc_ns=EPOCH_NS, recalled=recalled
        )

    def feed(self, batch: Batch, at_s: float) -> list[Event]:
        return self.engine.evaluate(batch, now_s=at_s, utc_ns=EPOCH_NS)

    def see(
        self,
        value: float,
        at_s: float,
        *,
        tag: int = VIBRATION,
        quality: Quality = Quality.GOOD,
    ) -> list[str]:
        status = 0 if quality is not Quality.BAD else STATUS_BAD_SENSOR_FAILURE
        batch = rows([tag], [value], [at_s], quality=quality, status=status)
        return names(self.feed(batch, at_s))

    def tick(self, at_s: float) -> list[str]:
        return names(self.engine.tick(now_s=at_s, utc_ns=EPOCH_NS + round(at_s * _S)))

    def states(self) -> list[str]:
        return [row["state"] for row in self.engine.table(now_s=0.0, utc_ns=0)]


def rows(
    tags: Sequence[int],
    values: Sequence[float],
    times_s: Sequence[float],
    *,
    quality: int = Quality.GOOD,
    status: int = 0,
) -> Batch:
    return batch_of(
        tags,
        values,
        source_time_ns=[EPOCH_NS + round(t * _S) for t in times_s],
        receive_time_ns=EPOCH_NS,
        quality=quality,
        status=status,
        group="plc.poll",
    )


def names(events: Sequence[Event]) -> list[str]:
    return [event.name for event in events]


def test_an_alarm_becomes_active_after_its_on_delay_even_without_a_new_row() -> None:
    bench = Bench(alarm("high", on_delay_s=2.0))
    assert bench.see(5.0, 10.0) == []
    assert bench.tick(11.9) == []
    assert bench.tick(12.0) == ["active"]
    assert bench.states() == [State.ACTIVE_UNACK]


def test_an_event_says_what_where_and_how_much() -> None:
    bench = Bench(alarm("high", priority="high"))
    (event,) = bench.feed(rows([VIBRATION], [5.25], [0.0]), 1.0)
    assert event.tag == "P-101/DE/vibration_rms"
    assert event.asset == "P-101"
    assert event.priority == "high"
    assert event.message == ("P-101/DE/vibration_rms is high: 5.25 mm/s (setpoint 4.5)")
    assert event.details["value"] == 5.25
    assert event.details["state"] == "active_unack"


def test_bad_rows_do_not_return_an_active_alarm() -> None:
    bench = Bench(alarm("high"))
    bench.see(5.0, 1.0)
    assert bench.see(math.nan, 2.0, quality=Quality.BAD) == []
    assert bench.tick(60.0) == []
    assert bench.see(1.0, 61.0) == ["returned"]


def test_a_bad_row_raises_the_maintenance_alarm_and_not_the_process_alarm() -> None:
    bench = Bench(alarm("high"), alarm("bad"))
    bench.see(1.0, 0.0)
    assert bench.see(math.nan, 1.0, quality=Quality.BAD) == ["active"]
    assert bench.states() == [State.NORMAL, State.ACTIVE_UNACK]


def test_an_excursion_inside_one_batch_is_as_long_as_it_was_at_the_source() -> None:
    bench = Bench(alarm("high", on_delay_s=2.0))
    seen = rows([VIBRATION] * 3, [5.0, 5.0, 1.0], [0.0, 2.5, 3.0])
    assert names(bench.feed(seen, 100.0)) == ["active", "returned"]


def test_a_return_before_the_delay_was_over_wins_however_late_it_arrives() -> None:
    bench = Bench(alarm("high", on_delay_s=2.0))
    seen = rows([VIBRATION] * 2, [5.0, 1.0], [0.0, 1.9])
    assert names(bench.feed(seen, 100.0)) == []
    assert bench.tick(200.0) == []


def test_a_source_clock_that_is_wrong_by_hours_shortens_no_delay() -> None:
    bench = Bench(alarm("high", on_delay_s=2.0))
    seen = rows([PRESSURE, VIBRATION], [1.0, 5.0], [9999.0, -7200.0])
    assert names(bench.feed(seen, 100.0)) == []
    assert bench.tick(101.9) == []
    assert bench.tick(102.0) == ["active"]


def test_historical_rows_raise_nothing() -> None:
    bench = Bench(alarm("high"))
    past = batch_of(
        [VIBRATION], [9.0], source_time_ns=0, receive_time_ns=0, historical=True
    )
    assert bench.feed(past, 1.0) == []


def test_a_tag_is_stale_when_its_group_is_not_confirmed() -> None:
    bench = Bench(alarm("stale"))
    bench.feed(keep_alive("plc.poll", 0), 10.0)
    assert bench.tick(15.0) == []
    assert bench.tick(15.1) == ["active"]
    bench.feed(keep_alive("another.poll", 0), 16.0)
    assert bench.tick(16.1) == []
    bench.feed(keep_alive("plc.poll", 0), 17.0)
    assert bench.tick(17.1) == ["returned"]


def test_a_loss_confirms_nothing() -> None:
    bench = Bench(alarm("stale"))
    lost = bad_batch([VIBRATION], 0x8031_0000, time_ns=EPOCH_NS, group="plc.poll")
    bench.feed(lost, 4.0)
    assert bench.tick(5.1) == ["active"]


def test_a_stale_alarm_looks_at_no_values() -> None:
    bench = Bench(alarm("stale"), alarm("high"))
    assert bench.see(9.0, 1.0) == ["active"]
    assert bench.states() == [State.NORMAL, State.ACTIVE_UNACK]


def test_a_score_alarm_watches_the_score_of_its_asset() -> None:
    bench = Bench(alarm("score", "P-101/health_index"))
    assert bench.see(1.5, 1.0, tag=SCORE) == ["active"]


def test_a_rate_alarm_returns_when_the_value_is_confirmed_to_stand_still() -> None:
    bench = Bench(alarm("rate", setpoint=1.0))
    assert bench.see(1.0, 0.0) == []
    assert bench.see(9.0, 1.0) == ["active"]
    assert names(bench.feed(keep_alive("inference.P-101", 0), 1.5)) == []
    assert names(bench.feed(keep_alive("plc.poll", 0), 2.0)) == ["returned"]


def test_a_step_after_a_long_confirmed_rest_is_as_steep_as_it_was() -> None:
    bench = Bench(alarm("rate", setpoint=1.0))
    bench.see(1.0, 0.0)
    bench.see(1.0, 1.0)
    bench.feed(keep_alive("plc.poll", 0), 100.0)
    assert bench.see(2.0, 100.5) == ["active"]


def test_a_rate_that_is_not_known_is_not_at_rest() -> None:
    bench = Bench(alarm("rate", setpoint=1.0))
    bench.see(1.0, 0.0)
    bench.see(9.0, 1.0)
    bench.see(math.nan, 2.0, quality=Quality.BAD)
    assert names(bench.feed(keep_alive("plc.poll", 0), 3.0)) == []
    assert bench.states() == [State.ACTIVE_UNACK]


def test_a_person_acknowledges_by_name() -> None:
    bench = Bench(alarm("high"))
    bench.see(5.0, 1.0)
    (event,) = bench.engine.act(
        "P-101/DE/vibration_rms:high",
        Acknowledge(),
        actor="anna",
        reason="on my way",
        now_s=2.0,
        utc_ns=EPOCH_NS,
    )
    assert (event.name, event.actor) == ("acknowledged", "anna")
    assert event.details["reason"] == "on my way"
    (row,) = bench.engine.table(now_s=2.0, utc_ns=EPOCH_NS)
    assert (row["state"], row["actor"]) == ("active_ack", "anna")


def test_an_act_that_means_nothing_is_refused() -> None:
    bench = Bench(alarm("high"))
    with pytest.raises(UnknownAlarmError):
        bench.engine.act("x", Acknowledge(), actor="", now_s=0, utc_ns=0)
    with pytest.raises(NotPossibleError):
        bench.engine.act(
            "P-101/DE/vibration_rms:high", Acknowledge(), actor="", now_s=0, utc_ns=0
        )


def act(bench: Bench, what: Act, at_s: float) -> Event:
    events = bench.engine.act(
        "P-101/DE/vibration_rms:high",
        what,
        actor="anna",
        now_s=at_s,
        utc_ns=EPOCH_NS + round(at_s * _S),
    )
    return events[-1]


def test_a_restart_forgets_neither_shelf_nor_service_nor_acknowledgement() -> None:
    for what, state in ((Shelve(60.0), "shelved"), (TakeOut(), "out_of_service")):
        bench = Bench(alarm("high"))
        bench.see(5.0, 1.0)
        act(bench, Acknowledge(), 2.0)
        last = act(bench, what, 3.0)
        again = Bench(alarm("high"), recalled={str(last.details["id"]): last})
        assert again.states() == [state]
        assert again.engine.table(now_s=0, utc_ns=0)[0]["acknowledged"]


def test_a_shelf_ends_on_time_across_a_restart() -> None:
    bench = Bench(alarm("high"))
    bench.see(5.0, 1.0)
    last = act(bench, Shelve(60.0), 3.0)  # until EPOCH + 63 s
    again = Bench(alarm("high"), recalled={str(last.details["id"]): last})
    assert again.tick(62.9) == []
    assert again.tick(63.001) == ["unshelved", "reannounced"]


def test_an_alarm_that_was_active_stays_so_until_a_sample_proves_it_gone() -> None:
    bench = Bench(alarm("high", deadband=1.0))
    (last,) = bench.feed(rows([VIBRATION], [5.0], [0.0]), 1.0)
    again = Bench(alarm("high", deadband=1.0), recalled={str(last.details["id"]): last})
    assert again.tick(1000.0) == []
    assert again.see(4.0, 1001.0) == []  # inside the deadband: nothing is proved
    assert again.see(3.0, 1002.0) == ["returned"]


def test_a_latch_survives_a_restart_unless_the_configuration_dropped_it() -> None:
    bench = Bench(alarm("high", latched=True))
    bench.see(5.0, 1.0)
    (last,) = bench.feed(rows([VIBRATION], [1.0], [2.0]), 2.0)
    recalled = {str(last.details["id"]): last, "no/longer:high": last}
    again = Bench(alarm("high", latched=True), recalled=recalled)
    assert again.states() == [State.LATCHED_UNACK]
    act(again, Acknowledge(), 3.0)
    with pytest.raises(NotPossibleError, match="not known to be gone"):
        act(again, Reset(), 4.0)
    again.see(1.0, 5.0)
    assert act(again, Reset(), 6.0).name == "reset"
    assert Bench(alarm("high"), recalled=recalled).states() == [State.RTN_UNACK]


def test_no_alarm_at_all_is_no_trouble() -> None:
    bench = Bench()
    assert bench.see(5.0, 1.0) == []
    assert bench.tick(2.0) == []
    assert bench.states() == []


def _is_change(event: Event) -> bool:
    """Not of a flood or of chattering: what those count is when it arrives."""
    return event.name in set(Change)


@given(
    values=st.lists(
        st.tuples(st.floats(0, 10), st.sampled_from([0, 1, 2])), max_size=40
    ),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
def test_passing_over_calm_rows_changes_nothing(
    values: list[tuple[float, int]], cuts: list[int]
) -> None:
    """However rows are cut into batches, the alarms end up the same."""
    alarms = (alarm("high", deadband=1.0), alarm("low", setpoint=1.0), alarm("bad"))
    column = np.array([value for value, _ in values])
    quality = np.array([each for _, each in values], dtype=np.uint8)

    def told(pieces: list[np.ndarray[Any, Any]]) -> list[str]:
        bench, found = Bench(*alarms), []
        for piece in pieces:
            batch = batch_of(
                np.full(len(piece), VIBRATION),
                column[piece],
                source_time_ns=piece * _S,
                receive_time_ns=0,
                quality=quality[piece],
            )
            at_s = float(piece[-1]) if len(piece) else 0.0
            events = bench.feed(batch, at_s)
            found += [f"{e.details['id']} {e.name}" for e in events if _is_change(e)]
        return found

    every = np.arange(len(values))
    one_by_one = told([every[i : i + 1] for i in range(len(every))])
    assert told(np.split(every, sorted(cuts))) == one_by_one
