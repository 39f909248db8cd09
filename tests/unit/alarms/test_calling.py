"""Who is called when, with a clock that is set by hand and targets that may be dead."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarms.call_message import FAILED, SENT
from appliance.alarms.calling import Calling, past_from_ns
from appliance.config import CalloutSettings
from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.alarms.call_message import Message

S = 1_000_000_000
MONDAY_NOON_NS = 1_700_481_600 * S  # 2023-11-20 12:00 UTC
HIGH, LOW = "P/level:high", "P/level:low"
MAIL = {"host": "mail", "sender": "gw@plant.example", "recipients": ["a@b.example"]}


def settings_of(*steps: dict[str, Any], **keys: object) -> CalloutSettings:
    given: dict[str, Any] = dict(keys)
    names = sorted({name for step in steps for name in step["targets"]} - {"lamp"})
    mail = [{"name": name, **MAIL, **given.pop(name, {})} for name in names]
    relay = [{"name": "lamp", "source": "plc", "point": "lamp"}]
    return CalloutSettings.model_validate(
        {"mail": mail, "relay": relay, "steps": list(steps), **given}
    )


@dataclass
class Night:
    """A gateway at night: what happened, who was called, who answers."""

    calling: Calling
    now_ns: int = MONDAY_NOON_NS
    journal: list[Event] = field(default_factory=list)
    sent: list[tuple[int, Message]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    standing: dict[str, Event] = field(default_factory=dict)

    def tell(self, alarm: str, name: str = "active", **more: object) -> None:
        details: dict[str, Any] = {"id": alarm, "active": True}
        details |= {"state": "active_unack", **more}
        details.setdefault("acknowledged", False)
        if not details["acknowledged"]:
            known = self.standing.get(alarm)
            before = known.details.get("unacknowledged_ns") if known else None
            details["unacknowledged_ns"] = before or self.now_ns
        if name in {"active", "reannounced"} and more.get("announced", True):
            details |= {"announced": True, "announced_ns": self.now_ns}
        priority = str(details.pop("priority", "critical"))
        event = Event(
            EventKind.ALARM, name, self.now_ns, f"{alarm} {name}", "P", None, priority,
            details=details,
        )  # fmt: skip
        self.journal.append(event)
        self.standing[alarm] = event
        self.calling.hear(event)

    def acknowledge(self, alarm: str) -> None:
        self.tell(alarm, "acknowledged", acknowledged=True, state="active_ack")

    def calls(self, alarm: str) -> bool:
        details = self.standing[alarm].details
        return not details["acknowledged"] and alarm not in self.silent

    def look(self) -> list[Message]:
        """Let the targets take what goes out now; return that."""
        out = self.calling.step(self.now_ns, self.calls)
        for message in out:
            sent = message.target not in self.dead
            if sent:
                self.sent.append((self.now_ns, message))
            self.journal.append(
                self.calling.done(message.id, "word", self.now_ns, sent=sent)
            )
        return out

    def wait(self, length_s: float, every_s: float = 10.0) -> list[str]:
        """Let time pass; return who was called, in order."""
        end_ns = self.now_ns + round(length_s * S)
        called = []
        while self.now_ns < end_ns:
            called += [message.target for message in self.look()]
            self.now_ns += round(every_s * S)
        return called

    def restart(self, config: CalloutSettings) -> None:
        """Lose everything but the log."""
        self.calling = Calling(config)
        last = {str(e.details["id"]): e for e in self.journal if "id" in e.details}
        since_ns = past_from_ns(last, self.now_ns)
        past = [event for event in self.journal if event.time_ns >= since_ns]
        self.calling.recall(
            [e for e in past if e.kind is EventKind.ALARM],
            [e for e in past if e.kind is EventKind.CALL],
            last,
            now_ns=self.now_ns,
        )


FIRST = {"targets": ["shift"]}
LATER = {"targets": ["boss"], "after_s": 600.0}


def night(*steps: dict[str, Any], **keys: object) -> Night:
    return Night(Calling(settings_of(*steps, **keys)))


# ------------------------------------------------------------------ escalation
def test_the_first_is_called_at_once_and_the_next_when_nobody_acknowledges() -> None:
    room = night(FIRST, LATER)
    room.tell(HIGH)
    assert room.wait(590) == ["shift"]
    assert room.wait(3600) == ["boss"]


def test_an_acknowledgement_ends_it() -> None:
    room = night(FIRST, LATER)
    room.tell(HIGH)
    room.wait(300)
    room.acknowledge(HIGH)
    assert room.wait(7200) == []
    assert room.calling.waiting == 0


@pytest.mark.parametrize("state", ["shelved", "suppressed", "out_of_service"])
def test_what_is_kept_silent_calls_nobody(state: str) -> None:
    room = night(FIRST, LATER)
    room.tell(HIGH)
    room.wait(60)
    room.tell(HIGH, state, state=state)
    assert room.wait(7200) == []


def test_what_comes_back_from_the_shelf_calls_anew() -> None:
    room = night(FIRST, LATER)
    room.tell(HIGH)
    room.wait(60)
    room.tell(HIGH, "shelved", state="shelved")
    room.wait(3600)
    room.tell(HIGH, "reannounced")
    assert room.wait(660) == ["shift", "boss"]


def test_while_its_parent_speaks_for_it_nobody_is_called() -> None:
    room = night(FIRST, LATER)
    room.tell(HIGH)
    room.silent.add(HIGH)
    assert room.wait(3600) == []
    room.silent.clear()
    assert room.wait(120) == ["shift"]


def test_an_alarm_that_is_announced_again_is_not_a_new_call() -> None:
    room = night(FIRST, LATER)
    room.tell(HIGH)
    room.wait(120)
    room.tell(HIGH, "returned", active=False, state="rtn_unack")
    room.tell(HIGH, "active")
    assert room.wait(400) == []


def test_what_becomes_more_urgent_is_a_new_call() -> None:
    room = night({**FIRST, "priorities": ["critical", "low"]}, LATER)
    room.tell(HIGH, priority="low")
    room.wait(3600)
    room.tell(HIGH, "reannounced", priority="critical")
    assert room.wait(590) == ["shift"]
    assert room.wait(60) == ["boss"]
    room.tell(HIGH, "reannounced", priority="low")
    assert room.wait(3600) == []


def test_what_went_away_by_itself_may_end_it() -> None:
    room = night(FIRST, LATER, stop_on_return=True)
    room.tell(HIGH)
    room.wait(60)
    room.tell(HIGH, "returned", active=False, state="rtn_unack")
    assert room.wait(7200) == []


def test_a_call_is_repeated_as_often_as_is_said() -> None:
    room = night({**FIRST, "repeat_s": 300.0, "repeats": 2})
    room.tell(HIGH)
    assert room.wait(7200) == ["shift"] * 3


def test_only_its_priorities_call_a_step() -> None:
    room = night({**FIRST, "priorities": ["critical"]}, {**LATER, "after_s": 0.0})
    room.tell(HIGH, priority="high")
    assert room.wait(600) == ["boss"]


# ------------------------------------------------------------------ delivery fails
def test_when_a_target_is_dead_the_next_is_called_now() -> None:
    room = night(FIRST, LATER)
    room.dead = {"shift"}
    room.tell(HIGH)
    assert room.wait(25) == ["shift", "boss"]
    assert [event.name for event in room.journal[1:]] == [FAILED, SENT]


def test_a_dead_target_is_tried_again_with_growing_patience() -> None:
    room = night(FIRST)
    room.dead = {"shift"}
    room.tell(HIGH)
    tried = room.wait(1800)
    assert 5 <= len(tried) <= 12
    room.dead = set()
    assert room.wait(600) == ["shift"]
    assert room.wait(3600) == []


def test_the_alarm_of_a_dead_target_goes_to_the_others() -> None:
    room = night({"targets": ["shift", "boss"]})
    room.tell("source callout:shift", priority="high")
    assert room.wait(600) == ["boss"]


# ------------------------------------------------------------------ shifts
DAY = {"targets": ["shift"], "windows": ["06:00-22:00 weekdays"]}
NIGHT = {"targets": ["boss"], "windows": ["22:00-06:00 daily", "06:00-22:00 weekends"]}


@pytest.mark.parametrize(
    ("later_h", "holidays", "who"),
    [
        (0, [], "shift"),  # Monday, 12 h UTC
        (11, [], "boss"),  # 23 h UTC
        (9.5, [], "shift"),  # 21:30
        (5 * 24, [], "boss"),  # Saturday
        (0, ["2023-11-20"], "boss"),  # a holiday is as a Sunday
    ],
)
def test_the_shift_that_is_on_is_called(
    later_h: float, holidays: list[str], who: str
) -> None:
    room = night(DAY, NIGHT, holidays=holidays)
    room.now_ns += round(later_h * 3600 * S)
    room.tell(HIGH)
    assert room.wait(60) == [who]


def test_the_hours_are_those_of_the_site() -> None:
    room = night(DAY, NIGHT, time_zone="Asia/Tokyo")
    room.now_ns += 2 * 3600 * S  # 14 h UTC is 23 h in Tokyo
    room.tell(HIGH)
    assert room.wait(60) == ["boss"]


def test_the_next_shift_is_called_about_what_still_waits() -> None:
    room = night(DAY, NIGHT)
    room.now_ns += round(9.5 * 3600 * S)
    room.tell(HIGH)
    assert room.wait(3600) == ["shift", "boss"]


# ------------------------------------------------------------------ floods, limits
def test_a_flood_is_one_message_after_the_first() -> None:
    room = night(FIRST)
    room.tell("P/0:high")
    first = room.look()
    for number in range(1, 60):
        room.now_ns += S
        room.tell(f"P/{number}:high")
    room.tell("flood", "flood_begin")
    room.now_ns += S
    rest = [message for _ in range(61) for message in _later(room, 5)]
    assert [len(m.events) for m in first + rest] == [1, 59]
    assert rest[0].flood


def test_what_is_more_urgent_than_the_last_call_does_not_wait() -> None:
    room = night({**FIRST, "priorities": ["critical", "high", "low"]})
    room.tell(LOW, priority="low")
    room.look()
    room.tell(HIGH)
    assert [m.events[0].details["id"] for m in room.look()] == [HIGH]


def test_the_last_calls_of_an_hour_are_kept_for_what_is_critical() -> None:
    step = {**FIRST, "priorities": ["critical", "medium"]}
    room = night(step, shift={"calls_per_hour": 4}, gather_s=0.0)
    for number in range(20):
        room.tell(f"P/{number}:high", priority="medium")
        room.wait(30)
    assert len(room.sent) == 3
    room.tell(HIGH)
    assert room.wait(20) == ["shift"]
    assert room.wait(2000) == []


def test_a_note_follows_an_answer_to_whoever_wants_one() -> None:
    room = night(FIRST, shift={"resolved": True}, gather_s=0.0)
    room.tell(HIGH)
    room.wait(60)
    room.acknowledge(HIGH)
    (message,) = room.look()
    assert not message.events
    assert [event.name for event in message.notes] == ["acknowledged"]
    assert room.wait(600) == []


def test_the_lamp_burns_until_all_that_called_it_is_answered() -> None:
    room = night({"targets": ["lamp"]})
    held = []
    for change, alarm in (
        (room.tell, HIGH),
        (room.tell, LOW),
        (room.acknowledge, HIGH),
        (room.acknowledge, LOW),
    ):
        change(alarm)
        room.look()
        held.append(room.calling.holds("lamp", room.calls))
    assert held == [True, True, True, False]


def _later(room: Night, by_s: float) -> list[Message]:
    room.now_ns += round(by_s * S)
    return room.look()


# ------------------------------------------------------------------ restart
def test_after_a_restart_nobody_is_called_twice_and_escalation_goes_on() -> None:
    config = settings_of(FIRST, LATER)
    room = Night(Calling(config))
    room.tell(HIGH)
    room.wait(120)
    room.restart(config)
    assert room.wait(400) == []
    room.restart(config)
    assert room.wait(300) == ["boss"]


def test_what_stood_before_there_was_a_callout_begins_with_the_first_step() -> None:
    config = settings_of(FIRST, LATER)
    room = Night(Calling(config))
    room.tell(HIGH)
    room.now_ns += 86_400 * S
    room.restart(config)
    assert room.wait(300) == ["shift"]


def test_after_a_restart_a_letter_still_says_what_to_do() -> None:
    config = settings_of(FIRST)
    room = Night(Calling(config))
    room.dead = {"shift"}
    room.tell(HIGH, action="close the valve")
    room.wait(20)
    room.tell(HIGH, "chattering", announced=False)
    room.restart(config)
    (message,) = room.look()
    assert message.events[0].details["action"] == "close the valve"


def test_the_limit_of_an_hour_survives_a_restart() -> None:
    config = settings_of(FIRST, shift={"calls_per_hour": 1}, gather_s=0.0)
    room = Night(Calling(config))
    room.tell(HIGH)
    room.wait(60)
    room.restart(config)
    room.tell(LOW)
    assert room.wait(1800) == []
    assert room.wait(2400) == ["shift"]


def test_the_log_of_an_alarm_that_chattered_still_says_who_was_called() -> None:
    config = settings_of(FIRST, LATER)
    room = Night(Calling(config))
    room.tell(HIGH)
    room.wait(60)
    # What the recorder makes of many: the last of them, with when the first was.
    (first,) = [e for e in room.journal if e.kind is EventKind.ALARM]
    details = {**first.details, "coalesced": 9, "coalesced_since_ns": first.time_ns - S}
    at_ns = first.time_ns + 30 * S
    room.journal[0] = Event(
        first.kind, first.name, at_ns, "", priority="critical", details=details
    )
    room.restart(config)
    assert room.wait(300) == []


def test_a_broken_event_of_a_call_is_passed_over() -> None:
    calling = Calling(settings_of(FIRST))
    broken = [
        Event(EventKind.CALL, SENT, 1, "", details={"target": "shift", "calls": text})
        for text in ("", "[[1]]", "nonsense", "{}", '[["x", "y", "z"]]')
    ]
    calling.recall([], broken, {}, now_ns=2)
    assert calling.waiting == 0


# ------------------------------------------------------------------ all, at random
PRIORITIES = ("critical", "high")
STEPS = (
    {"targets": ["shift"], "repeat_s": 900.0},
    {"targets": ["deputy", "lamp"], "after_s": 300.0},
    {"targets": ["boss"], "after_s": 900.0},
)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("raise", "ack", "die", "live", "restart", "wait")),
        st.integers(0, 5),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(acts=ACTS, per_hour=st.sampled_from((1, 3, 12)))
def test_whatever_happens_the_last_step_is_reached_and_no_limit_is_broken(
    acts: list[tuple[str, int]], per_hour: int
) -> None:
    limit = {"calls_per_hour": per_hour}
    config = settings_of(*STEPS, shift=limit, deputy=limit, boss=limit)
    room = Night(Calling(config))
    for act, number in acts:
        _act(room, config, act, number)
        _never_about_what_is_answered(room, 60.0 * number)
    room.dead = set()
    _never_about_what_is_answered(room, 3 * 3600.0)
    reached = _reached(room.sent)
    for alarm, event in room.standing.items():
        if not event.details["acknowledged"]:
            assert "boss" in reached[alarm, event.details["unacknowledged_ns"]]
    for target in ("shift", "deputy", "boss"):
        _within(per_hour, [at for at, m in room.sent if m.target == target])


def _act(room: Night, config: CalloutSettings, act: str, number: int) -> None:
    alarm = f"P/{number}:high"
    known = room.standing.get(alarm)
    quiet = known is None or bool(known.details["acknowledged"])
    match act:
        case "raise" if quiet:
            room.tell(alarm, priority=PRIORITIES[number % 2])
        case "ack" if not quiet:
            room.acknowledge(alarm)
        case "die":
            room.dead.add(("shift", "deputy", "boss", "lamp")[number % 4])
        case "live":
            room.dead.clear()
        case "restart":
            room.restart(config)


def _never_about_what_is_answered(room: Night, length_s: float) -> None:
    before = len(room.sent)
    room.wait(length_s, 30.0)
    for _, message in room.sent[before:]:
        assert all(room.calls(slot.alarm) for slot in message.slots)


def _reached(sent: Iterable[tuple[int, Message]]) -> defaultdict[Any, set[str]]:
    found: defaultdict[Any, set[str]] = defaultdict(set)
    for _, message in sent:
        for slot in message.slots:
            found[slot.alarm, slot.begun_ns].add(message.target)
    return found


def _within(per_hour: int, times: list[int]) -> None:
    for at in times:
        assert sum(at <= each < at + 3600 * S for each in times) <= per_hour
