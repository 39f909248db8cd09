"""The disk refuses: nothing crashes, nothing is lost unsaid, the newest stay."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pytest

from appliance.config.model import StorageSettings
from appliance.domain.event import Gap
from appliance.domain.ports import Clock
from appliance.storage import backlog, group
from appliance.storage import connection as connections
from appliance.storage.connection import StoreOpenError, StoreUnavailableError
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.storage.store import open_store
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.storage.store import BufferStore

    Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[BufferStore]]
    MakeBatch: TypeAlias = Callable[..., Batch]
    MakeEvent: TypeAlias = Callable[[str], Event]

START_NS = 1_700_000_000 * 10**9


class Standing(Clock, Protocol):
    """The clock of the fixture."""

    woken: asyncio.Event


class Disk:
    """A disk that can be made to refuse commits."""

    def __init__(self) -> None:
        self.full = False
        self.error: Exception = sqlite3.OperationalError("database or disk is full")

    def connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, factory=_Connection)
        connection.disk = self
        return connection


class _Connection(sqlite3.Connection):
    disk: Disk

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:  # noqa: ANN401 - as its parent says
        if sql == "COMMIT" and self.disk.full:
            raise self.disk.error
        return super().execute(sql, parameters)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def opening(path: Path, clock: Clock, disk: Disk) -> Opening:
    def open_it(memory_bytes: int = 2**20) -> AbstractAsyncContextManager[BufferStore]:
        return open_store(
            path,
            StorageSettings(),
            clock,
            memory_bytes=memory_bytes,
            connect=disk.connect,
        )

    return open_it


async def test_samples_wait_while_the_disk_refuses(
    opening: Opening, disk: Disk, batch: MakeBatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opening() as store:
        disk.full = True
        store.append(batch(10))
        for _ in range(3):
            with pytest.raises(StoreUnavailableError, match="full"):
                await store.flush()
        assert "full" in store.last_error
        assert store.counters()["samples_in_flight"] == 10
        disk.full = False
        await store.flush()
        assert store.healthy
        assert store.counters()["samples_stored"] == 10
    refused = [r for r in caplog.records if "cannot be written" in r.message]
    assert len(refused) == 1


async def test_the_oldest_make_room_for_the_newest_and_the_gap_is_declared(
    opening: Opening, disk: Disk, batch: MakeBatch, path: Path
) -> None:
    async with opening(memory_bytes=1000) as store:
        disk.full = True
        for second in range(10):
            store.append(batch(10, start_ns=START_NS + second * 10**9))
        during = store.counters()
        disk.full = False
        await store.flush()
        after = store.counters()
        found = await store.history(1, 0, 2**62, points=1000)
    assert during["samples_read"] == 100
    assert during["samples_rejected"] + during["samples_in_flight"] == 100
    assert (after["samples_rejected"], after["samples_stored"]) == (80, 20)
    assert found.source_time_ns[0] >= START_NS + 8 * 10**9
    with open_reader(path) as reader:
        (gap,) = reader.gaps()
    assert (gap.what, gap.count) == ("acquisition", 80)
    assert (gap.from_ns, gap.to_ns) == (START_NS, START_NS + 7 * 10**9)
    assert verify(path) == ()


async def test_rows_of_the_outbox_that_had_to_go_are_declared(
    opening: Opening, disk: Disk
) -> None:
    async with opening(memory_bytes=1000) as store:
        disk.full = True
        store.enqueue(Stream.SUMMARY, [b"x" * 300] * 5, START_NS)
        disk.full = False
        await store.flush()
        account = (await store.outbox_status())[Stream.SUMMARY]
    assert (account.enqueued, account.pending, account.declared_gaps) == (5, 2, 3)


async def test_a_failed_commit_that_is_queued_again_keeps_within_the_bound(
    opening: Opening, disk: Disk, batch: MakeBatch
) -> None:
    async with opening(memory_bytes=1000) as store:
        disk.full = True
        for _ in range(6):
            store.append(batch(10))
            with pytest.raises(StoreUnavailableError):
                await store.flush()
        counters = store.counters()
        disk.full = False
    assert (counters["samples_in_flight"], counters["samples_rejected"]) == (20, 40)


async def test_an_event_waits_for_the_disk_and_is_committed_once(
    opening: Opening, disk: Disk, event: MakeEvent, path: Path
) -> None:
    async with opening() as store:
        disk.full = True
        with pytest.raises(StoreUnavailableError):
            await store.append_event(event("high"))
        disk.full = False
        await store.append_event(event("low"))
    with open_reader(path) as reader:
        assert [each.name for each in reader.events()] == ["high", "low"]


async def test_waiting_events_are_bounded_and_the_loss_is_declared(
    opening: Opening,
    disk: Disk,
    event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
) -> None:
    monkeypatch.setattr(group, "EVENTS_MAX", 2)
    async with opening() as store:
        disk.full = True
        for name in ("first", "second", "third"):
            with pytest.raises(StoreUnavailableError):
                await store.append_event(event(name))
        disk.full = False
        await store.flush()
        account = (await store.outbox_status())[Stream.EVENT]
    assert (account.enqueued, account.pending, account.declared_gaps) == (3, 2, 1)
    with open_reader(path) as reader:
        assert [each.name for each in reader.events()] == ["second", "third"]
    assert verify(path) == ()


async def test_a_store_that_cannot_be_closed_cleanly_says_so(
    opening: Opening,
    disk: Disk,
    batch: MakeBatch,
    path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opening() as store:
        store.append(batch(10))
        disk.full = True
    disk.full = False
    assert "could not be closed cleanly" in caplog.text
    async with opening():
        pass
    with open_reader(path) as reader:
        assert [gap.what for gap in reader.gaps()] == ["acquisition"]


async def test_the_disk_is_tried_again_though_nothing_waits(
    opening: Opening, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with opening() as store:
        disk.full = True
        with pytest.raises(StoreUnavailableError):
            await store.register([])
        disk.full = False
        await store.flush()
        assert store.healthy
    assert "can be written again" in caplog.text


async def test_an_event_that_cannot_be_stored_fails_its_own_caller_alone(
    opening: Opening, event: MakeEvent
) -> None:
    async with opening() as store:
        with pytest.raises(UnicodeEncodeError):
            await store.append_event(event("\ud800"))
        assert await store.append_event(event("high")) == 1


async def test_a_file_system_without_durability_is_refused(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "pragma", lambda _connection, _name: "memory")
    with pytest.raises(StoreOpenError, match="journal_mode=wal"):
        async with open_store(path, StorageSettings(), clock):
            pass


async def test_a_folder_that_is_not_there_is_refused(path: Path, clock: Clock) -> None:
    with pytest.raises(StoreOpenError):
        async with open_store(path / "no" / "buffer.db", StorageSettings(), clock):
            pass


async def test_a_gap_waits_for_the_disk_and_too_many_of_a_kind_become_one(
    opening: Opening, disk: Disk, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "GAPS_MAX", 2)
    gaps = [Gap("acquisition", "lost", n, n + 1, 1) for n in range(4)]
    async with opening() as store:
        disk.full = True
        for gap in (*gaps, Gap("acquisition", "other", 1, 2, -1)):
            with pytest.raises(StoreUnavailableError):
                await store.append_gap(gap)
        disk.full = False
        await store.flush()
    with open_reader(path) as reader:
        found = reader.gaps()
    assert {gap.reason for gap in found} == {"lost", "other"}
    assert sum(gap.count for gap in found if gap.reason == "lost") == 4
    assert max(gap.to_ns for gap in found) == 4


async def test_the_loop_goes_on_while_the_disk_refuses(
    opening: Opening, disk: Disk, batch: MakeBatch, clock: Standing
) -> None:
    async with opening() as store:
        async with asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(store.run(), name="store")
            store.append(batch(10))
            disk.full = True
            await _until(lambda: not store.healthy, clock)
            disk.full = False
            await _until(lambda: store.healthy, clock)
            loop.cancel()
        assert store.counters()["samples_stored"] == 10


async def _until(condition: Callable[[], bool], clock: Standing) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)
            clock.woken.set()


def test_gaps_of_ever_new_reasons_are_bounded_and_cover_all_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "GAPS_MAX", 3)
    monkeypatch.setattr(backlog, "REASONS_MAX", 2)
    waiting = backlog.Backlog(1000)
    for number in range(50):
        waiting.add_gap(Gap("acquisition", f"tag {number}", number, number + 1, 1))
    gaps = waiting.take().gaps
    assert len(gaps) == 6
    assert sum(gap.count for gap in gaps) == 50
    assert gaps[-1].reason == backlog.SEVERAL
    assert (gaps[-1].from_ns, gaps[-1].to_ns) == (5, 50)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("attempt to write a readonly database"),
        sqlite3.OperationalError("disk I/O error"),
        OSError(30, "Read-only file system"),
    ],
)
async def test_a_disk_that_becomes_read_only_is_waited_for(
    *,
    opening: Opening,
    disk: Disk,
    batch: MakeBatch,
    event: MakeEvent,
    path: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opening() as store:
        with monkeypatch.context() as patch:
            patch.setattr(disk, "full", True)
            patch.setattr(disk, "error", error)
            store.append(batch(10))
            with pytest.raises(StoreUnavailableError):
                await store.append_event(event("while it is read-only"))
            (said,) = store.diagnostics
            assert (said.key, said.priority) == ("disk", "high")
            assert str(error) in said.message
        await store.flush()
        assert store.diagnostics == ()
    assert verify(path) == ()
    with open_reader(path) as reader:
        assert [each.name for each in reader.events()] == ["while it is read-only"]
        assert reader.gaps() == ()
