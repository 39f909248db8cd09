"""What a call says: plain words, on lines that nothing can end."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarms.call_message import Message, Slot
from appliance.alarms.call_words import Reading, Scene, letter_of, plain, trial_letter
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Callable

S = 1_000_000_000
AT_NS = 1_774_747_800 * S  # 2026-03-29 01:30 UTC, in summer time's first hour
VIBRATION = "P-101/DE/vibration_rms:high_high"
TOLD = {
    "id": VIBRATION,
    "cause": "Bearing damage",
    "consequence": "The shaft seizes",
    "action": "Stop the pump and inspect the bearing",
    "respond_within_s": 600,
    "likely_fault": "outer_race",
    "evidence": "BPFO 107 Hz stands 14 dB above the floor",
    "contributing": "P-101/DE/vibration_rms 71 %\nP-101/DE/temperature 12 %",
    "life_low_h": 12.0,
    "life_high_h": 40.5,
}


def event(**more: object) -> Event:
    given = {**TOLD, **more}
    return Event(
        EventKind.ALARM,
        str(given.pop("name", "active")),
        AT_NS,
        str(given.pop("message", "P-101/DE/vibration_rms is much too high: 7.31 mm/s")),
        "P-101",
        TagId("P-101/DE/vibration_rms"),
        str(given.pop("priority", "critical")),
        str(given.pop("actor", "")),
        details=given,  # type: ignore[arg-type] # flat, as the tests give it
    )


def reading(_event: Event) -> Reading | None:
    return Reading(7.31, "mm/s", "good", AT_NS + S)


def scene(root_of: Callable[[str], str] = str) -> Scene:
    return Scene("plant-7/gw-1", ZoneInfo("Europe/Berlin"), reading, root_of)


def message(
    *events: Event, notes: tuple[Event, ...] = (), flood: bool = False
) -> Message:
    slots = tuple(Slot(str(e.details["id"]), AT_NS, 0.0) for e in events)
    return Message("m-1", "shift", slots, events, notes, flood)


def test_it_says_what_is_wrong_where_since_when_and_what_to_do() -> None:
    letter = letter_of(message(event()), scene())
    assert letter["subject"] == (
        "[CRITICAL] P-101/DE/vibration_rms is much too high: 7.31 mm/s at plant-7/gw-1"
    )
    for said in (
        "since: 2026-03-29 03:30:00+02:00",
        "asset: P-101",
        "now: 7.31 mm/s, good, measured 2026-03-29 03:30:01+02:00",
        "likely fault: damage of the bearing's outer race",
        "evidence: BPFO 107 Hz stands 14 dB above the floor",
        "most of it from: P-101/DE/vibration_rms 71 %, P-101/DE/temperature 12 %",
        "remaining life: 12 to 40.5 h",
        "cause: Bearing damage",
        "if nobody acts: The shaft seizes",
        "what to do: Stop the pump and inspect the bearing",
        "respond within: 10 min",
        f"acknowledge at the gateway: wheeltapper alarms ack {VIBRATION}",
        "This is the gateway plant-7/gw-1.",
    ):
        assert said in letter["text"]


def test_a_machine_reads_the_same_as_values() -> None:
    letter = letter_of(message(event()), scene())
    (row,) = letter["alarms"]
    assert row["id"] == VIBRATION
    assert (row["value"], row["quality"], row["time_ns"]) == (
        "7.31 mm/s",
        "good",
        AT_NS,
    )
    assert row["respond_within_s"] == 600
    assert letter["calls"] == [f"{AT_NS} 0 {VIBRATION}"]


def test_an_alarm_that_says_little_makes_a_short_letter() -> None:
    bare = Event(
        EventKind.ALARM, "active", AT_NS, "the disk is full", priority="high",
        details={"id": "source buffer:disk", "life_low_h": 3.0},
    )  # fmt: skip
    nothing = Scene("s/g", ZoneInfo("UTC"), lambda _: None, str)
    text = letter_of(message(bare), nothing)["text"]
    assert "wheeltapper alarms ack 'source buffer:disk'" in text
    assert "remaining life: 3 h or more" in text
    assert "cause" not in text
    assert "now:" not in text


def test_a_flood_is_told_by_its_root_and_by_numbers() -> None:
    many = [event(id=f"P-101/{n}:high", priority="high") for n in range(15)]
    told = letter_of(message(*many, flood=True), scene(lambda _: "P-101/power:low"))
    assert told["subject"].startswith("[HIGH] 15 alarms at plant-7/gw-1: ")
    assert "A flood of alarms at plant-7/gw-1." in told["text"]
    assert "Root cause: P-101/power:low; 15 of them follow from it." in told["text"]
    assert "And 5 more: 5 high. See `wheeltapper alarms list`." in told["text"]
    assert len(told["alarms"]) == 15


def test_several_without_a_common_root_are_told_by_the_first() -> None:
    told = letter_of(message(event(id="a"), event(id="b")), scene())
    assert "2 alarms at plant-7/gw-1." in told["text"]
    assert "It began with a: " in told["text"]


def test_a_note_says_who_answered() -> None:
    over = event(name="acknowledged", actor="meier")
    told = letter_of(message(notes=(over, over)), scene())
    assert told["subject"] == f"[OVER] {VIBRATION} and 1 more at plant-7/gw-1"
    assert f"{VIBRATION}: acknowledged by meier" in told["text"]
    assert told["over"][0] == {"id": VIBRATION, "how": "acknowledged", "by": "meier"}


def test_a_trial_asks_for_nothing() -> None:
    letter = trial_letter("t-1", "shift", "plant-7/gw-1")
    assert letter["subject"] == "[TEST] a call from plant-7/gw-1"
    assert "Nothing is wrong" in letter["text"]
    assert letter["test"]


@given(st.text())
def test_a_plain_text_is_one_line_without_anything_that_does_not_show(
    text: str,
) -> None:
    shown = plain(text, 80)
    assert len(shown) <= 80
    assert all(unicodedata.category(c)[0] != "C" for c in shown)
    assert shown.splitlines() in ([], [shown])


HOSTILE = st.text(
    st.one_of(st.sampled_from("\r\n\x00\x1b\u2028\u202e:;<>"), st.characters()),
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(name=HOSTILE, said=HOSTILE, actor=HOSTILE)
def test_no_name_ends_a_subject_or_forges_a_line(
    name: str, said: str, actor: str
) -> None:
    hostile = event(id=name, message=said, action=said, actor=actor)
    letter = letter_of(message(hostile, notes=(hostile,)), scene())
    assert letter["subject"].splitlines() == [letter["subject"]]
    lines = letter["text"].split("\n")
    assert len(lines) == 1 + letter["text"].count("\n")
    assert all(unicodedata.category(c)[0] != "C" for line in lines for c in line)
    assert sum(line.startswith("  acknowledge at") for line in lines) == 1
