"""The chain over the event log: whatever is changed, the walk names where."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from appliance.domain.event import Event, EventKind
from appliance.domain.verdict import Verdict, verdict_event
from appliance.storage import retention
from appliance.storage.chain import (
    JOURNAL_HASH,
    JOURNAL_SEQ,
    anchor_event,
    keep_digest,
)
from appliance.storage.connection import transaction
from appliance.storage.reader import open_reader
from appliance.storage.repair import salvage, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.storage.chain import Verified
    from appliance.storage.store import BufferStore

    Opening = Callable[..., AbstractAsyncContextManager[BufferStore]]
    MakeEvent = Callable[[str], Event]

NOW_NS = 1_700_000_000 * 10**9


def ordinary(name: str) -> Event:
    return Event(EventKind.SYSTEM, name, NOW_NS, name)


async def record(opened: Opening, *events: Event) -> None:
    async with opened() as store:
        for event in events:
            await store.append_event(event)


def walked(path: Path, *anchors: Event) -> Verified:
    with open_reader(path) as reader:
        return reader.verify_journal(anchors)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
async def log(opened: Opening, event: MakeEvent, path: Path) -> Path:
    """A log of four events, over one restart."""
    await record(opened, event("one"), event("two"))
    await record(opened, event("three"), ordinary("four"))
    return path


def test_a_log_as_it_was_recorded_is_vouched_for_across_a_restart(log: Path) -> None:
    found = walked(log)
    assert (found.vouched, found.dropped, found.before) == (4, 0, 0)
    assert (found.beginnings, found.problem) == ((1,), "")
    assert found.head is not None
    assert found.head.seq == 4
    assert verify(log) == ()


@pytest.mark.parametrize(
    ("statements", "seq", "problem"),
    [
        (("UPDATE event SET content = x'00' WHERE seq = 2",), 2, "not as it was"),
        (("DELETE FROM event WHERE seq = 2",), 2, "was taken out"),
        (
            ("DELETE FROM event WHERE seq = 2", "DELETE FROM chain WHERE seq = 2"),
            3,
            "or one before it",
        ),
        (
            ("DELETE FROM event WHERE seq = 1", "DELETE FROM chain WHERE seq = 1"),
            2,
            "beginning of the chain is missing",
        ),
        (
            ("DELETE FROM event WHERE seq > 3", "DELETE FROM chain WHERE seq > 3"),
            4,
            "from 4 to 4 were cut off",
        ),
        (("DELETE FROM chain WHERE seq = 4",), 4, "beside the chain"),
        (
            ("UPDATE chain SET digest = zeroblob(32) WHERE seq = 2",
             "DELETE FROM event WHERE seq = 2"),
            2,
            "not as it was",
        ),
    ],
)  # fmt: skip
def test_the_first_event_that_is_not_as_recorded_is_named(
    log: Path, statements: tuple[str, ...], seq: int, problem: str
) -> None:
    change(log, *statements)
    found = walked(log)
    assert found.broken_seq == seq
    assert problem in found.problem
    assert any("journal" in line for line in verify(log))


def test_what_retention_takes_stays_accounted_for(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        with transaction(connection):
            assert retention.drop_events(connection, 10**6) == 1
    found = walked(log)
    assert (found.vouched, found.dropped, found.problem) == (3, 1, "")
    with open_reader(log) as reader:
        assert [gap.what for gap in reader.gaps()] == ["event_log"]


def test_what_somebody_else_took_is_not_mistaken_for_retention(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        (content,) = connection.execute(
            "SELECT content FROM event WHERE seq = 2"
        ).fetchone()
        keep_digest(connection, 2, content)
        connection.execute("DELETE FROM event WHERE seq = 2")
    assert "1 events are missing that retention did not take" in walked(log).problem


def test_a_chain_without_its_beginning_is_broken_there(log: Path) -> None:
    change(log, "UPDATE chain SET begins = 1 WHERE seq = 3")
    assert walked(log).broken_seq == 3


async def test_a_forged_chain_does_not_bear_out_what_was_anchored(
    opened: Opening, event: MakeEvent, log: Path
) -> None:
    with open_reader(log) as reader:
        head = reader.journal_head()
    assert head is not None
    anchor = anchor_event(head, NOW_NS)
    await record(opened, anchor, event("five"))
    assert walked(log, anchor).problem == ""
    details: dict[str, str | int] = {JOURNAL_SEQ: head.seq, JOURNAL_HASH: "0" * 64}
    other = Event(EventKind.SYSTEM, "anchor", NOW_NS, "", details=details)
    found = walked(log, other)
    assert found.broken_seq == head.seq
    assert "anchored" in found.problem


async def test_events_from_before_the_chain_are_counted_as_such(
    opened: Opening, event: MakeEvent, log: Path
) -> None:
    change(log, "DELETE FROM chain")  # as an older release left it
    found = walked(log)
    assert (found.before, found.vouched, found.head) == (4, 0, None)
    await record(opened, event("five"), event("six"))
    found = walked(log)
    assert (found.before, found.vouched, found.beginnings) == (4, 2, (5,))
    assert found.problem == ""


async def test_after_a_salvage_the_chain_begins_anew(
    opened: Opening, event: MakeEvent, log: Path
) -> None:
    salvage(log, now_ns=NOW_NS)
    await record(opened, event("five"))
    found = walked(log)
    assert (found.before, found.vouched, found.problem) == (4, 1, "")


async def test_the_newest_events_come_first_and_are_paged(
    opened: Opening, event: MakeEvent, log: Path
) -> None:
    del opened, event
    with open_reader(log) as reader:
        newest = reader.recent_events(3)
        rest = reader.recent_events(3, before_seq=newest[-1][0])
        alarms = reader.recent_events(9, kinds=["alarm", "trip"])
        own = list(reader.events_of_kind(EventKind.SYSTEM))
    assert [(seq, each.name) for seq, each in newest] == [
        (4, "four"), (3, "three"), (2, "two"),
    ]  # fmt: skip
    assert [seq for seq, _ in rest] == [1]
    assert [seq for seq, _ in alarms] == [3, 2, 1]
    assert [each.name for each in own] == ["four"]


async def test_verdicts_are_found_among_the_events(
    opened: Opening, event: MakeEvent, path: Path
) -> None:
    judged = verdict_event("P-101", "true", note="worn", actor="bo", utc_ns=NOW_NS)
    await record(opened, event("verdict of nobody"), judged)
    with open_reader(path) as reader:
        assert reader.verdicts() == (
            Verdict("", "P-101", "", "true", "worn", "bo", None, NOW_NS),
        )
