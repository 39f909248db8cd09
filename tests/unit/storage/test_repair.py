from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader
from appliance.storage.repair import salvage, verify
from appliance.wire.outbox import Stream, SummaryRow, encode_row

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
NOW_NS = START_NS + 10**12


async def fill(store: BufferStore, batch: MakeBatch, event: MakeEvent) -> None:
    for second in range(20):
        store.append(batch(2000, tags=50, start_ns=START_NS + second * 10**9))
        row = SummaryRow("P-101/x", second, 1.0, 1, 0, 1.0, 1.0, 1.0, 0.0, 1.0)
        store.enqueue(Stream.SUMMARY, [encode_row(row)] * 3, second)
        await store.append_event(event(f"e{second}"))
        await store.flush()
        if second == 9:
            await store.fold()
    await store.outbox_ack(store.epoch, Stream.SUMMARY, 7)


def spoil(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


async def test_a_whole_buffer_has_no_problems(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> None:
    async with opened() as store:
        await fill(store, batch, event)
        assert verify(path) == (), "beside a running hub"
    assert verify(path) == ()


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE segment SET content = x'00' WHERE id = 15", "segment 15 is damaged"),
        ("UPDATE times SET content = x'00' WHERE id = 1", "times 1 is damaged"),
        ("UPDATE chunk SET content = x'00' WHERE id = 1", "chunk 1 is damaged"),
        ("DELETE FROM segment WHERE id = 15", "2000 stored samples are neither"),
        ("DELETE FROM outbox_summary WHERE seq = 20", "nothing between 19 and 21"),
        ("DELETE FROM outbox_event WHERE seq = 20", "1 rows are missing"),
        ("UPDATE outbox_event SET content = x'c1' WHERE seq = 3", "event 3: a broken"),
    ],
)
async def test_what_is_wrong_is_said(
    *,
    opened: Opening,
    batch: MakeBatch,
    event: MakeEvent,
    path: Path,
    sql: str,
    sentence: str,
) -> None:
    async with opened() as store:
        await fill(store, batch, event)
    spoil(path, sql)
    assert any(sentence in problem for problem in verify(path))


async def test_a_damaged_segment_stays_when_others_are_folded_and_history_says_so(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> None:
    async with opened() as store:
        await fill(store, batch, event)
    spoil(path, "UPDATE segment SET content = x'00' WHERE id = 15")
    async with opened() as store:
        await store.fold()
        await store.fold()
        found = await store.history(1, 0, 2**62, points=10**6)
    assert found.damaged == 1
    assert len(found.value) == 19 * 40
    assert [p for p in verify(path) if "damaged" in p] == ["segment 15 is damaged"]


async def test_a_salvage_keeps_what_can_be_read_and_declares_the_rest(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> None:
    async with opened() as store:
        await fill(store, batch, event)
        epoch = store.epoch
    spoil(path, "UPDATE segment SET content = x'00' WHERE id = 15")
    spoil(path, "DELETE FROM outbox_summary WHERE seq = 20")
    salvaged = salvage(path, now_ns=NOW_NS)
    assert any("segment 15" in problem for problem in salvaged.problems)
    assert salvaged.quarantined.exists()
    with open_reader(path) as reader:
        gaps = {gap.what: gap.count for gap in reader.gaps()}
        assert len(reader.events()) == 20
    assert gaps == {"raw": 2000, "summary": 1}
    assert verify(path) == (), "the hole is declared"
    async with opened() as store:
        assert store.epoch == epoch
        account = (await store.outbox_status())[Stream.SUMMARY]
        store.enqueue(Stream.SUMMARY, [b"\x00"], 1)
        await store.flush()
        rows = await store.outbox_read(Stream.SUMMARY, 20, 100)
    assert (account.delivered, account.declared_gaps, account.pending) == (7, 1, 52)
    assert rows[-1][0] == 61, "numbers go on"


async def test_a_buffer_in_use_is_not_salvaged(opened: Opening, path: Path) -> None:
    async with opened():
        with pytest.raises(StoreOpenError, match="another process"):
            salvage(path, now_ns=NOW_NS)


@pytest.mark.parametrize("act", [verify, lambda path: salvage(path, now_ns=NOW_NS)])
def test_what_is_not_there_is_said_so(
    path: Path, act: Callable[[Path], object]
) -> None:
    with pytest.raises(StoreOpenError, match="no such buffer"):
        act(path)


async def test_a_file_that_sqlite_cannot_read_is_a_problem(path: Path) -> None:
    def write() -> None:
        path.write_bytes(b"this is a letter" * 400)

    write()
    assert "SQLite cannot read it" in verify(path)[0]


@pytest_asyncio.fixture
async def filled(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> bytes:
    """Return the file of a buffer that was filled and closed."""
    async with opened() as store:
        await fill(store, batch, event)
    return path.read_bytes()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(page=st.integers(1, 400), at=st.integers(0, 4000), noise=st.binary(min_size=90))
async def test_any_spoilt_page_leaves_a_buffer_that_is_whole_after_a_salvage(
    *,
    opened: Opening,
    batch: MakeBatch,
    event: MakeEvent,
    path: Path,
    filled: bytes,
    page: int,
    at: int,
    noise: bytes,
) -> None:
    for old in path.parent.glob("buffer.db*"):
        old.unlink()
    _write_spoilt(path, bytearray(filled), page * 4096 + at, noise)
    salvage(path, now_ns=NOW_NS)
    assert verify(path) == ()
    async with opened() as store:
        store.append(batch(10))
        await store.flush()
        await store.append_event(event("again"))
        await store.fold()


def _write_spoilt(path: Path, content: bytearray, at: int, noise: bytes) -> None:
    at %= len(content)
    content[at : at + len(noise)] = noise[: len(content) - at]
    path.write_bytes(content)
