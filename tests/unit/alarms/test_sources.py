"""Alarms that sources raise about themselves: by name, with the same life-cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.alarms.acts import Acknowledge, Shelve, TakeOut
from appliance.alarms.delay import Delay
from appliance.alarms.engine import AlarmEngine, UnknownAlarmError
from appliance.alarms.lifecycle import NotPossibleError
from appliance.alarms.sources import LIMIT, Fault, SourceWord
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.event import EventKind
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.alarms.acts import Act
    from appliance.domain.event import Event

_S = 1_000_000_000
EPOCH_NS = 1_700_000_000 * _S
FLOW = TagId("P-101/flow")
CLOCK = Diagnostic(
    "clock", "its clock is at 2000", "set the clock of the PLC", "high", (FLOW,)
)
CERTIFICATE = Diagnostic("certificate", "it expires in 29 days", "renew it", "low")
ID = "source plc:clock"


class Bench:
    """An engine without configured alarms, and a clock that is set by hand."""

    def __init__(self, recalled: Mapping[str, Event] | None = None) -> None:
        self.engine = AlarmEngine([], {}, now_s=0.0, utc_ns=EPOCH_NS, recalled=recalled)
        self.log: list[Event] = []

    def say(
        self,
        *listed: Diagnostic,
        at_s: float = 0.0,
        delay: Delay | None = None,
        settled: bool = True,
    ) -> list[str]:
        faults = [Fault(each, delay or Delay()) for each in listed]
        return self.words({"plc": SourceWord(faults, settled)}, at_s)

    def words(self, words: Mapping[str, SourceWord], at_s: float = 0.0) -> list[str]:
        utc_ns = EPOCH_NS + round(at_s * _S)
        return self._noted(self.engine.hear_sources(words, now_s=at_s, utc_ns=utc_ns))

    def tick(self, at_s: float) -> list[str]:
        return self._noted(self.engine.tick(now_s=at_s, utc_ns=EPOCH_NS))

    def act(self, act: Act, at_s: float = 0.0, alarm: str = ID) -> list[str]:
        return self._noted(
            self.engine.act(
                alarm, act, actor="ada", now_s=at_s, utc_ns=EPOCH_NS, reason="seen"
            )
        )

    def states(self) -> dict[str, str]:
        table = self.engine.table(now_s=0.0, utc_ns=EPOCH_NS)
        return {row["id"]: row["state"] for row in table}

    def restarted(self) -> Bench:
        return Bench({str(event.details["id"]): event for event in self.log})

    def _noted(self, events: Sequence[Event]) -> list[str]:
        self.log += events
        return [event.name for event in events]


def test_a_fault_is_active_while_it_is_listed() -> None:
    bench = Bench()
    assert bench.say(CLOCK) == ["active"]
    assert bench.say(CLOCK) == []
    assert bench.say() == ["returned"]
    assert bench.states() == {ID: "rtn_unack"}
    assert bench.act(Acknowledge()) == ["acknowledged"]
    assert bench.states() == {}


def test_the_list_says_what_is_wrong_and_what_to_do() -> None:
    bench = Bench()
    bench.say(CLOCK)
    (row,) = bench.engine.table(now_s=0.0, utc_ns=EPOCH_NS)
    assert row["id"] == ID
    assert row["tag"] == FLOW
    assert row["tags"] == [FLOW]
    assert (row["rule"], row["priority"]) == ("source", "high")
    assert row["cause"] == "its clock is at 2000"
    assert row["action"] == "set the clock of the PLC"
    (event,) = bench.log
    assert event.kind is EventKind.ALARM
    assert event.message == "source plc: its clock is at 2000"
    assert (event.asset, event.tag, event.priority) == ("P-101", FLOW, "high")
    assert event.details["action"] == "set the clock of the PLC"
    assert event.details["tags"] == FLOW


def test_an_acknowledged_fault_is_silent_until_it_comes_again() -> None:
    bench = Bench()
    bench.say(CLOCK)
    bench.act(Acknowledge())
    assert bench.states() == {ID: "active_ack"}
    assert bench.say() == ["returned"]
    assert bench.states() == {}
    assert bench.say(CLOCK) == ["active"]


def test_a_fault_can_be_shelved_and_comes_back_by_itself() -> None:
    bench = Bench()
    bench.say(CLOCK)
    assert bench.act(Shelve(60.0)) == ["shelved"]
    assert bench.say(at_s=1.0) == ["returned"]
    assert bench.states() == {ID: "shelved"}
    assert bench.say(CLOCK, at_s=2.0) == ["active"]
    assert bench.tick(60.0) == ["unshelved", "reannounced"]


def test_a_fault_out_of_service_stays_known_though_it_is_gone() -> None:
    bench = Bench()
    bench.say(CLOCK)
    bench.act(Acknowledge())
    bench.act(TakeOut())
    bench.say()
    assert bench.states() == {ID: "out_of_service"}


def test_a_loss_counts_only_after_its_on_delay_and_a_flap_is_one_alarm() -> None:
    bench, delay = Bench(), Delay(5.0, 10.0)
    assert bench.say(CLOCK, at_s=0.0, delay=delay) == []
    assert bench.states() == {ID: "pending"}
    assert bench.say(at_s=4.0) == []
    assert bench.states() == {}
    assert bench.say(CLOCK, at_s=5.0, delay=delay) == []
    assert bench.tick(10.0) == ["active"]
    for at_s in range(11, 40, 2):  # it comes and goes, never for ten seconds
        assert bench.say(at_s=float(at_s)) == []
        assert bench.say(CLOCK, at_s=at_s + 1.0, delay=delay) == []
    assert bench.say(at_s=41.0) == []
    assert bench.tick(51.0) == ["returned"]


def test_the_newest_words_of_a_standing_fault_are_shown() -> None:
    bench = Bench()
    bench.say(CERTIFICATE)
    later = Diagnostic("certificate", "it expires in 2 days", "renew it", "high")
    assert bench.say(later) == ["reannounced"]  # it became worse
    assert bench.say(later) == []
    (row,) = bench.engine.table(now_s=0.0, utc_ns=EPOCH_NS)
    assert (row["cause"], row["priority"]) == ("it expires in 2 days", "high")
    assert (row["tag"], row["tags"]) == ("", [])


def test_what_stood_before_a_restart_stands_after_it() -> None:
    before = Bench()
    before.say(CLOCK, CERTIFICATE)
    before.act(Acknowledge())
    after = before.restarted()
    assert after.states() == {
        ID: "active_ack",
        "source plc:certificate": "active_unack",
    }
    assert after.say(settled=False) == []  # not connected yet: nothing is known
    assert after.say(CLOCK, settled=True) == ["returned"]
    assert after.states() == {ID: "active_ack", "source plc:certificate": "rtn_unack"}
    (row, _) = after.engine.table(now_s=0.0, utc_ns=EPOCH_NS)
    assert row["action"] == CLOCK.remedy
    assert row["tag"] == FLOW


def test_what_was_at_rest_before_a_restart_is_not_there_after_it() -> None:
    before = Bench()
    before.say(CLOCK)
    before.act(Acknowledge())
    before.say()
    assert before.restarted().states() == {}


def test_a_source_that_is_configured_no_more_says_nothing_more() -> None:
    before = Bench()
    before.say(CLOCK)
    after = before.restarted()
    assert after.words({"other": SourceWord([])}) == ["returned"]


def test_two_sources_may_have_the_same_fault() -> None:
    bench = Bench()
    word = SourceWord([Fault(CLOCK)])
    assert bench.words({"a": word, "b": word}) == ["active", "active"]
    assert bench.words({"a": word, "b": SourceWord([])}) == ["returned"]
    assert set(bench.states()) == {"source a:clock", "source b:clock"}


def test_an_act_on_what_is_not_there_is_refused() -> None:
    bench = Bench()
    with pytest.raises(UnknownAlarmError, match="no alarm 'source plc:clock'"):
        bench.act(Acknowledge())
    bench.say(CLOCK)
    bench.act(Acknowledge())
    with pytest.raises(NotPossibleError, match="nothing to acknowledge"):
        bench.act(Acknowledge())


def test_the_worst_faults_get_the_alarms_and_the_others_share_one() -> None:
    bench = Bench()
    many = [Diagnostic(f"tag {n}", "mistyped", "mend it", "low") for n in range(200)]
    bench.say(*many, CLOCK)
    assert len(bench.states()) == LIMIT + 1
    assert ID in bench.states()
    others = bench.engine.table(now_s=0.0, utc_ns=EPOCH_NS)
    (row,) = [each for each in others if each["id"] == "source plc:others"]
    assert row["cause"].startswith(f"{201 - LIMIT} more faults, the first of them:")
    assert bench.say(CLOCK) == ["returned"] * LIMIT
    assert bench.states()[ID] == "active_unack"


def test_a_fault_that_nobody_saw_keeps_its_place_in_a_full_table() -> None:
    bench = Bench()
    bench.say(*[Diagnostic(f"old {n}", "x", "y", "low") for n in range(LIMIT)])
    bench.say(CLOCK)
    states = bench.states()
    assert ID not in states
    assert states["source plc:others"] == "active_unack"
    for alarm in list(states)[:2]:
        bench.act(Acknowledge(), alarm=alarm)
    bench.say(CLOCK)
    assert bench.states()[ID] == "active_unack"


@given(
    st.lists(
        st.one_of(
            st.sets(st.sampled_from(["a", "b", "c"])),
            st.tuples(st.just("ack"), st.sampled_from(["a", "b", "c"])),
        ),
        max_size=30,
    )
)
def test_only_what_is_listed_or_not_yet_seen_stands(
    story: list[set[str] | tuple[str, str]],
) -> None:
    bench, listed, unseen = Bench(), set[str](), set[str]()
    for at_s, part in enumerate(story):
        if isinstance(part, tuple):
            alarm = f"source plc:{part[1]}"
            if part[1] in unseen:
                bench.act(Acknowledge(), float(at_s), alarm)
                unseen.discard(part[1])
            continue
        bench.say(*[Diagnostic(k, "x", "y") for k in sorted(part)], at_s=float(at_s))
        unseen |= part - listed
        listed = part
    assert set(bench.states()) == {f"source plc:{key}" for key in listed | unseen}
    assert bench.restarted().states() == bench.states()
