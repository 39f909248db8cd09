"""What repeats is recorded once a period, and the last word stays the last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.event import Event, EventKind
from appliance.hub import chatter as chatter_module
from appliance.hub.chatter import COALESCED, TOLD_AT_ONCE, Chatter


def alarm(name: str, time_ns: int = 0, subject: str = "a:high") -> Event:
    return Event(EventKind.ALARM, name, time_ns, "", details={"id": subject})


def stands_for(event: Event) -> int:
    count = event.details.get(COALESCED, 1)
    assert isinstance(count, int)
    return count


def test_what_says_its_word_seldom_is_recorded_each_time() -> None:
    chatter = Chatter()
    for minute in range(50):
        event = alarm("active", minute)
        assert chatter.take(event, now_s=60.0 * minute) == [event]
        assert chatter.due(now_s=60.0 * minute) == []


def test_beyond_ten_a_minute_one_event_counts_the_others() -> None:
    chatter = Chatter()
    now = [
        each for n in range(30) for each in chatter.take(alarm("active", n), now_s=n)
    ]
    assert len(now) == TOLD_AT_ONCE
    assert chatter.due(now_s=59.0) == []
    (one,) = chatter.due(now_s=60.0)
    assert one.time_ns == 29
    assert one.details == {"id": "a:high", "coalesced": 20, "coalesced_since_ns": 10}


@pytest.mark.usefixtures("untraced")
def test_a_month_of_chattering_is_some_hundred_rows_for_each_word() -> None:
    chatter = Chatter()
    rows = told = 0
    for second in range(0, 30 * 86_400, 10):
        for name in ("active", "returned"):
            rows += len(chatter.take(alarm(name, second), now_s=second))
            told += 1
        rows += len(chatter.due(now_s=second))
    assert told == 518_400
    assert rows < 3_000


def test_trips_and_audit_are_never_held() -> None:
    chatter = Chatter()
    for kind in (EventKind.TRIP, EventKind.AUDIT, EventKind.SAFETY):
        event = Event(kind, "again", 1, "")
        assert all(chatter.take(event, now_s=0.0) == [event] for _ in range(100))


def test_another_subject_and_another_word_are_not_held_with_it() -> None:
    chatter = Chatter()
    for _ in range(20):
        chatter.take(alarm("active"), now_s=0.0)
    assert len(chatter.take(alarm("active", subject="b:low"), now_s=0.0)) == 1
    held, other = chatter.take(alarm("returned"), now_s=0.0)
    assert (held.name, other.name) == ("active", "returned"), "in the order of time"


def test_once_quiet_it_is_told_at_once_again() -> None:
    chatter = Chatter()
    for _ in range(20):
        chatter.take(alarm("active"), now_s=0.0)
    assert len(chatter.due(now_s=60.0)) == 1
    assert chatter.due(now_s=60.0 + 120.0) == []
    assert len(chatter.take(alarm("active"), now_s=181.0)) == 1
    assert chatter.due(now_s=1000.0) == []
    for _ in range(10):
        assert len(chatter.take(alarm("active"), now_s=1001.0)) == 1


def test_the_subjects_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatter_module, "SUBJECTS_MAX", 1)
    chatter = Chatter()
    for n in range(30):
        assert len(chatter.take(alarm("active", subject="a"), now_s=0.0)) == (n < 10)
        assert len(chatter.take(alarm("active", subject="b"), now_s=0.0)) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), st.sampled_from("ab"), st.integers(0, 30)),
        max_size=200,
    )
)
def test_nothing_is_lost_and_the_last_word_is_the_last(
    said: list[tuple[str, str, int]],
) -> None:
    chatter, recorded, now_s = Chatter(), list[Event](), 0.0
    for number, (name, subject, wait_s) in enumerate(said):
        now_s += wait_s
        recorded += chatter.due(now_s=now_s)
        recorded += chatter.take(alarm(name, number, subject), now_s=now_s)
    recorded += chatter.rest()
    assert sum(map(stands_for, recorded)) == len(said)
    for subject in {each[1] for each in said}:
        last = max(n for n, each in enumerate(said) if each[1] == subject)
        of_it = [each for each in recorded if each.details["id"] == subject]
        assert of_it[-1].time_ns == last
