from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.config.model import StorageSettings
from appliance.domain.event import Event, EventKind
from appliance.runtime.clock import SystemClock
from appliance.storage.outbox import READ_MAX_BYTES, span_to_read
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.storage.store import BufferStore, open_store
from appliance.wire.outbox import Stream, SummaryRow, encode_row

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[BufferStore]]
    MakeEvent: TypeAlias = Callable[[str], Event]

_Result = TypeVar("_Result")
QUEUED = (Stream.SUMMARY, Stream.HEALTH)


class OutboxHistory(RuleBasedStateMachine):
    """Any history of enqueue, commit, acknowledge, power failure and restart.

    A power failure is a copy of file and log at that moment, opened again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.files = 0
        self.runner = asyncio.Runner()
        self.path = self.folder / "buffer-0.db"
        self.queued: dict[Stream, list[bytes]] = {each: [] for each in QUEUED}
        self.rows: dict[Stream, list[tuple[int, bytes]]] = {each: [] for each in Stream}
        self.given = dict.fromkeys(Stream, 0)
        self.delivered = dict.fromkeys(Stream, 0)
        self.made = 0
        self._open()
        self.epoch = self.store.epoch

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return self.runner.run(work)

    def _open(self) -> None:
        self.stack = AsyncExitStack()
        opening = open_store(self.path, StorageSettings(), SystemClock())
        self.store: BufferStore = self.run(self.stack.enter_async_context(opening))

    def _committed(self, stream: Stream, content: bytes) -> None:
        self.given[stream] += 1
        self.rows[stream].append((self.given[stream], content))

    def _flushed(self) -> None:
        for stream, contents in self.queued.items():
            for content in contents:
                self._committed(stream, content)
            contents.clear()

    @rule(stream=st.sampled_from(QUEUED), count=st.integers(1, 4))
    def enqueue(self, stream: Stream, count: int) -> None:
        contents = [b"%d" % (self.made + n) for n in range(count)]
        self.made += count
        self.store.enqueue(stream, contents, self.made)
        self.queued[stream] += contents

    @rule()
    def commit(self) -> None:
        self.run(self.store.flush())
        self._flushed()

    @rule()
    def event(self) -> None:
        event = Event(EventKind.SYSTEM, f"e{self.made}", self.made, "")
        self.made += 1
        seq = self.run(self.store.append_event(event))
        rows = self.run(self.store.outbox_read(Stream.EVENT, seq - 1, 1))
        self._committed(Stream.EVENT, rows[0][1])
        assert self.rows[Stream.EVENT][-1] == rows[0]

    @rule(stream=st.sampled_from((*QUEUED, Stream.EVENT)), data=st.data())
    def acknowledge(self, stream: Stream, data: st.DataObject) -> None:
        through = data.draw(st.integers(0, self.given[stream]))
        expected = sum(seq <= through for seq, _ in self.rows[stream])
        removed = self.run(self.store.outbox_ack(self.epoch, stream, through))
        assert removed == expected
        self.delivered[stream] += expected
        self.rows[stream] = [row for row in self.rows[stream] if row[0] > through]

    @rule()
    def restart(self) -> None:
        self.run(self.stack.aclose())
        self._flushed()
        self._open()

    @precondition(lambda self: self.files < 4)
    @rule()
    def power_failure(self) -> None:
        self.files += 1
        copy = self.folder / f"buffer-{self.files}.db"
        for suffix in ("", "-wal"):
            left = self.path.with_name(self.path.name + suffix)
            if left.exists():
                shutil.copy(left, copy.with_name(copy.name + suffix))
        self.run(self.stack.aclose())
        for contents in self.queued.values():
            contents.clear()
        self.path = copy
        self._open()
        rows = self.run(self.store.outbox_read(Stream.GAP, 0, 1000))
        for row in rows[len(self.rows[Stream.GAP]) :]:
            self._committed(Stream.GAP, row[1])

    @invariant()
    def what_was_committed_and_not_acknowledged_is_there_in_order(self) -> None:
        for stream in Stream:
            found = self.run(self.store.outbox_read(stream, 0, 10_000))
            assert found == self.rows[stream]

    @invariant()
    def every_row_is_accounted_for(self) -> None:
        status = self.run(self.store.outbox_status())
        for stream, account in status.items():
            assert account.enqueued == self.given[stream]
            assert account.delivered == self.delivered[stream]
            assert account.pending == len(self.rows[stream])
            assert account.declared_gaps == 0

    @invariant()
    def the_epoch_never_changes(self) -> None:
        assert self.store.epoch == self.epoch

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)


OutboxHistory.TestCase.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None
)
TestOutboxHistory = OutboxHistory.TestCase


def _summary(number: int) -> bytes:
    return encode_row(
        SummaryRow("P-101/x", number, 60.0, 1, 0, 1.0, 1.0, 1.0, 0.0, 1.0)
    )


async def test_over_its_quota_the_oldest_of_the_lowest_stream_are_dropped_and_declared(
    opened: Opening, path: Path, event: MakeEvent
) -> None:
    async with opened(outbox_quota_bytes=100_000) as store:
        await store.append_event(event("high"))
        store.enqueue(Stream.SNIPPET, [b"s" * 20_000] * 6, 7)
        store.enqueue(Stream.SUMMARY, [_summary(n) for n in range(10)], 8)
        await store.flush()
        await store.retain()
        status = await store.outbox_status()
        rows = await store.outbox_read(Stream.SNIPPET, 0, 100)
    snippet = status[Stream.SNIPPET]
    assert (snippet.enqueued, snippet.pending, snippet.declared_gaps) == (6, 4, 2)
    assert [seq for seq, _ in rows] == [3, 4, 5, 6]
    assert status[Stream.SUMMARY].pending == 10
    assert status[Stream.EVENT].pending == 1
    with open_reader(path) as reader:
        (gap,) = reader.gaps()
    assert (gap.what, gap.count, gap.first, gap.through) == ("snippet", 2, 1, 2)
    assert sum(each.pending_bytes for each in status.values()) <= 100_000


async def test_events_are_kept_though_they_alone_are_over_the_quota(
    opened: Opening, event: MakeEvent, path: Path
) -> None:
    async with opened(outbox_quota_bytes=100_000) as store:
        for name in range(3):
            await store.append_event(event(f"{name}" * 40_000))
        store.enqueue(Stream.SUMMARY, [_summary(n) for n in range(10)], 8)
        await store.flush()
        await store.retain()
        status = await store.outbox_status()
    assert status[Stream.EVENT].pending == 3
    assert status[Stream.SUMMARY].declared_gaps == 10
    assert verify(path) == ()


@pytest.mark.parametrize(
    ("numbers", "span"),
    [([3, 4, 5], (3, 5)), ([3, 4, 6], (3, 4)), ([3, 5], (3, 3)), ([], None)],
)
def test_a_read_stops_at_a_hole(
    numbers: list[int], span: tuple[int, int] | None
) -> None:
    assert span_to_read([(number, 1) for number in numbers], 1000) == span


def test_a_read_is_never_longer_than_half_a_frame_but_for_a_single_row() -> None:
    rows = [(number, 1_000_000) for number in range(1, 20)]
    assert span_to_read(rows, 2**40) == (1, READ_MAX_BYTES // 1_000_024)
    assert span_to_read(rows, 1) == (1, 1)


async def test_a_read_keeps_to_the_bytes_that_were_asked_for(opened: Opening) -> None:
    async with opened() as store:
        store.enqueue(Stream.SNIPPET, [b"s" * 1000] * 10, 7)
        await store.flush()
        rows = await store.outbox_read(Stream.SNIPPET, 2, 100, max_bytes=3_500)
    assert [seq for seq, _ in rows] == [3, 4, 5]
