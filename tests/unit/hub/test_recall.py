"""What a log leaves to be remembered, through a real buffer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from appliance.config.model import StorageSettings
from appliance.domain.event import Event, EventKind, Gap
from appliance.hub.recall import recall
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from appliance.hub.recall import Recalled

    Remember = Callable[..., Awaitable[Recalled]]


NOW_NS = 86_400_000_000_000


def event(kind: EventKind, name: str, **details: str | int) -> Event:
    return Event(kind, name, 1, "", asset="P-101", details=details)


GAP = Gap("acquisition", "the last run was not shut down", 0, 2_500_000_000, -1)


@pytest.fixture
def remember(tmp_path: Path) -> Remember:
    """Return a function that stores gaps, then events, and recalls."""
    path = tmp_path / "buffer.db"

    async def do(events: Sequence[Event], gaps: Sequence[Gap] = ()) -> Recalled:
        async with open_store(path, StorageSettings(), SystemClock()) as store:
            for gap in gaps:
                await store.append_gap(gap)
            for each in events:
                await store.append_event(each)
            return recall(path, utc_ns=NOW_NS)

    return do


async def test_the_last_word_on_each_alarm_and_anomaly_counts(
    remember: Remember,
) -> None:
    found = await remember(
        [
            event(EventKind.ALARM, "active", id="a:high"),
            event(EventKind.ALARM, "active", id="b:low"),
            event(EventKind.ANOMALY, "begin"),
            event(EventKind.ALARM, "returned", id="a:high"),
            event(EventKind.ANOMALY, "end"),
            event(EventKind.AUDIT, "opened"),
        ]
    )
    assert {k: e.name for k, e in found.alarms.items()} == {
        "a:high": "returned",
        "b:low": "active",
    }
    assert found.anomalies["P-101"].name == "end"


async def test_the_highest_number_of_each_epoch_of_safety_counts(
    remember: Remember,
) -> None:
    found = await remember(
        [
            event(EventKind.TRIP, "first_out", origin_epoch="one", origin_seq=7),
            event(EventKind.SAFETY, "reset", origin_epoch="one", origin_seq=6),
            event(EventKind.SAFETY, "reset", origin_epoch="two", origin_seq=1),
            event(EventKind.SAFETY, "odd", origin_epoch="two", origin_seq="x"),
        ]
    )
    assert found.origins == {"one": 7, "two": 1}


async def test_each_gap_is_told_once_however_often_we_start(remember: Remember) -> None:
    others = Gap("summary", "outbox quota", 0, 1, 5)
    first = await remember([], [others, GAP])
    (told,) = first.events_of_gaps(9)
    assert told.kind is EventKind.GAP
    assert told.message == (
        "an unknown number of samples are missing in 2.5 s:"
        " the last run was not shut down"
    )
    again = await remember([told])
    assert list(again.events_of_gaps(9)) == []
    counted = Gap("acquisition", "memory was full", 0, 1_000_000_000, 12)
    third = await remember([], [counted])
    (new,) = third.events_of_gaps(9)
    assert new.message == "12 samples are missing in 1.0 s: memory was full"
    assert (await remember([new])).new_gaps == ()


async def test_two_gaps_that_look_the_same_are_told_twice(remember: Remember) -> None:
    found = await remember([], [GAP, GAP])
    first, second = found.events_of_gaps(9)
    assert (await remember([first])).new_gaps == (GAP,)
    assert (await remember([second])).new_gaps == ()


async def test_a_kill_costs_the_cloud_the_roll_up_that_was_being_made(
    remember: Remember,
) -> None:
    """From the period's beginning to the last commit; other gaps cost nothing."""
    killed = Gap("acquisition", GAP.reason, 125_000_000_000, 130_000_000_000, -1)
    other = Gap("acquisition", "skid: lost", 10, 20, 5)
    found = await remember([], [killed, other])
    (gap,) = found.gaps_of_summaries(60.0)
    assert (gap.what, gap.count) == ("summary period", -1)
    assert (gap.from_ns, gap.to_ns) == (120_000_000_000, 125_000_000_000)


async def test_of_the_alarms_the_last_day_is_read_and_no_more_than_some_thousands(
    remember: Remember, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(time_ns: int, name: str, kind: EventKind = EventKind.ALARM) -> Event:
        return replace(event(kind, name, id="a:high"), time_ns=time_ns)

    told = [at(-1, "too old"), at(1, "one"), at(2, "other", EventKind.TRIP)]
    told += [at(4, "three"), at(3, "two")]
    found = await remember(told)
    assert [each.name for each in found.lately] == ["one", "two", "three"]
    monkeypatch.setattr("appliance.hub.recall.LATELY_MAX", 2)
    assert [each.name for each in (await remember([])).lately] == ["two", "three"]
