from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import pytest

from appliance.domain.batch import Text, Waveform, batch_of, keep_alive
from appliance.domain.event import Gap
from appliance.domain.tag import Tag, parse_tag_id
from appliance.storage.connection import StoreOpenError
from appliance.storage.outbox import AckRefusedError
from appliance.storage.packing import DamagedError
from appliance.storage.reader import open_reader
from appliance.storage.records import row_of_event
from appliance.storage.repair import verify
from appliance.wire.outbox import Stream, decode_row

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


class Standing(Protocol):
    """The clock of the fixture."""

    ns: int
    slept: int
    woken: asyncio.Event


def _tags(*names: str) -> list[Tag]:
    return [Tag(parse_tag_id(f"P-101/{name}"), "bar", 0.0, 16.0) for name in names]


async def test_a_tag_keeps_its_number_for_ever(opened: Opening) -> None:
    async with opened() as store:
        first = await store.register(_tags("a", "b"))
    async with opened() as store:
        second = await store.register(_tags("c", "b"))
    assert list(first.values()) == [1, 2]
    assert second == {"P-101/c": 3, "P-101/b": 2}


async def test_tags_are_read_back_with_their_units(opened: Opening, path: Path) -> None:
    async with opened() as store:
        await store.register(_tags("a"))
    with open_reader(path) as reader:
        assert list(reader.tags().values()) == _tags("a")


async def test_what_is_appended_is_in_flight_until_it_is_committed(
    opened: Opening, batch: MakeBatch
) -> None:
    async with opened() as store:
        store.append(batch(10))
        before = store.counters()
        await store.flush()
        after = store.counters()
    assert (before["samples_read"], before["samples_in_flight"]) == (10, 10)
    assert (after["samples_stored"], after["samples_in_flight"]) == (10, 0)


async def test_rows_come_back_exactly_before_and_after_folding(
    opened: Opening, batch: MakeBatch
) -> None:
    async with opened() as store:
        for second in range(5):
            store.append(batch(20, start_ns=START_NS + second * 10**9))
            await store.flush()
        before = await store.history(1, 0, 2**62, points=1000)
        await store.fold()
        after = await store.history(1, 0, 2**62, points=1000)
    assert len(before.value) == 50
    assert before.value.tobytes() == after.value.tobytes()
    assert before.source_time_ns.tobytes() == after.source_time_ns.tobytes()
    assert before.quality.tobytes() == after.quality.tobytes()


async def test_history_merges_chunks_and_segments_in_the_order_of_time(
    opened: Opening, batch: MakeBatch
) -> None:
    async with opened() as store:
        store.append(batch(20, start_ns=START_NS + 10**9))
        await store.flush()
        await store.fold()
        store.append(batch(20, start_ns=START_NS))  # a backfill
        await store.flush()
        found = await store.history(1, START_NS, START_NS + 2 * 10**9, points=99)
    assert len(found.value) == 20
    assert (np.diff(found.source_time_ns) >= 0).all()


async def test_history_keeps_to_its_interval_and_its_tag(
    opened: Opening, batch: MakeBatch
) -> None:
    async with opened() as store:
        store.append(batch(20))
        await store.flush()
        from_ns, to_ns = START_NS + 2 * 10**8, START_NS + 4 * 10**8
        found = await store.history(2, from_ns, to_ns, points=99)
        nothing = await store.history(77, from_ns, to_ns, points=99)
    np.testing.assert_array_equal(found.value, [0.5, 0.7, 0.9])
    assert len(nothing.value) == 0


async def test_thinned_history_keeps_the_extremes(opened: Opening) -> None:
    values = np.sin(np.arange(5000) / 50)
    values[1234], values[4321] = 99.0, -99.0
    async with opened() as store:
        store.append(
            batch_of(
                np.ones(5000, np.uint32),
                values,
                source_time_ns=START_NS + np.arange(5000) * 10**8,
                receive_time_ns=START_NS,
            )
        )
        await store.flush()
        found = await store.history(1, 0, 2**62, points=100)
    assert len(found.value) <= 102
    assert {99.0, -99.0} <= set(found.value.tolist())


async def test_small_chunks_of_a_past_hour_are_merged(
    opened: Opening, batch: MakeBatch, path: Path
) -> None:
    async with opened() as store:
        for minute in [*range(5), 90]:
            store.append(batch(20, start_ns=START_NS + minute * 60 * 10**9))
            await store.flush()
            await store.fold()
        before = await store.history(1, 0, 2**62, points=1000)
        for _ in range(4):
            await store.fold()
        after = await store.history(1, 0, 2**62, points=1000)
    with sqlite3.connect(path) as connection:
        (chunks,) = connection.execute("SELECT count(*) FROM chunk").fetchone()
    connection.close()
    assert chunks < 12
    assert before.value.tobytes() == after.value.tobytes()
    assert verify(path) == ()


async def test_waveforms_and_texts_come_back_exactly(
    opened: Opening, path: Path
) -> None:
    points = np.array([1.5, np.nan, -0.0, 3e38], np.float32)
    texts = ("Störung", "\ud800", 2**63 + 1, -(2**70))
    async with opened() as store:
        await store.register(_tags("a"))
        store.append(
            batch_of(
                [],
                [],
                source_time_ns=0,
                receive_time_ns=START_NS,
                waveforms=(Waveform(1, START_NS, 25_600.0, points),),
                texts=tuple(Text(1, START_NS, each) for each in texts),
            )
        )
        await store.flush()
        counters = store.counters()
    with open_reader(path) as reader:
        (waveform,) = reader.waveforms(parse_tag_id("P-101/a"))
        found = tuple(text.content for text in reader.texts(parse_tag_id("P-101/a")))
    assert waveform.points.tobytes() == points.tobytes()
    assert waveform.sample_rate_hz == 25_600.0
    assert found == texts
    assert counters["samples_stored"] == 5


async def test_an_event_is_on_disk_when_it_returns(
    opened: Opening, event: MakeEvent, path: Path
) -> None:
    async with opened() as store:
        seq = await store.append_event(event("high"))
        with open_reader(path) as reader:
            found = reader.events()
        rows = await store.outbox_read(Stream.EVENT, 0, 10)
    assert found == (event("high"),)
    assert [number for number, _ in rows] == [seq]
    assert decode_row(Stream.EVENT, rows[0][1]) == row_of_event(event("high"))


async def test_events_of_the_same_moment_share_a_commit_and_keep_their_order(
    opened: Opening, event: MakeEvent
) -> None:
    async with opened() as store, asyncio.TaskGroup() as tasks:
        appended = [
            tasks.create_task(store.append_event(event(f"e{n}")), name=f"event {n}")
            for n in range(50)
        ]
        numbers = [await task for task in appended]
    assert numbers == list(range(1, 51))


async def test_a_gap_is_recorded_and_told(opened: Opening, path: Path) -> None:
    gap = Gap("acquisition", "the plant was off", 1, 2, 3)
    async with opened() as store:
        await store.append_gap(gap)
        rows = await store.outbox_read(Stream.GAP, 0, 10)
        counters = store.counters()
    with open_reader(path) as reader:
        assert reader.gaps() == (gap,)
    assert len(rows) == 1
    assert counters["outbox_gap_enqueued"] == 1


async def test_an_acknowledgement_is_counted_once(opened: Opening) -> None:
    async with opened() as store:
        store.enqueue(Stream.SUMMARY, [b"a", b"b", b"c"], START_NS)
        await store.flush()
        assert await store.outbox_ack(store.epoch, Stream.SUMMARY, 2) == 2
        assert await store.outbox_ack(store.epoch, Stream.SUMMARY, 2) == 0
        assert await store.outbox_read(Stream.SUMMARY, 0, 10) == [(3, b"c")]
        status = (await store.outbox_status())[Stream.SUMMARY]
    assert (status.enqueued, status.delivered, status.pending) == (3, 2, 1)
    assert status.oldest_ns == START_NS
    assert status.pending_bytes == 25


async def test_numbers_are_not_given_twice_after_everything_was_delivered(
    opened: Opening,
) -> None:
    async with opened() as store:
        store.enqueue(Stream.HEALTH, [b"a", b"b"], START_NS)
        await store.flush()
        await store.outbox_ack(store.epoch, Stream.HEALTH, 2)
    async with opened() as store:
        store.enqueue(Stream.HEALTH, [b"c"], START_NS)
        await store.flush()
        assert await store.outbox_read(Stream.HEALTH, 0, 10) == [(3, b"c")]


async def test_an_acknowledgement_of_another_database_is_refused(
    opened: Opening,
) -> None:
    async with opened() as store:
        with pytest.raises(AckRefusedError):
            await store.outbox_ack("another", Stream.EVENT, 0)
        with pytest.raises(AckRefusedError):
            await store.outbox_ack(store.epoch, Stream.EVENT, 1)


async def test_a_read_of_the_outbox_fits_into_a_frame_of_the_link(
    opened: Opening,
) -> None:
    async with opened() as store:
        store.enqueue(Stream.SNIPPET, [b"x" * 3 * 2**20] * 3, START_NS)
        await store.flush()
        rows = await store.outbox_read(Stream.SNIPPET, 0, 10)
    assert [seq for seq, _ in rows] == [1]


async def test_the_loop_commits_every_period_and_folds(
    opened: Opening, batch: MakeBatch, clock: Standing
) -> None:
    async with opened(commit_period_s=1, chunk_s=2) as store:
        async with asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(store.run(), name="store")
            for _ in range(4):
                store.append(batch(10))
                await _one_turn(clock)
            loop.cancel()
        assert store.counters()["samples_stored"] == 40
        assert store.usage is not None


async def _one_turn(clock: Standing) -> None:
    async with asyncio.timeout(60):
        before = clock.slept
        while clock.slept == 0 or clock.woken.is_set():
            await asyncio.sleep(0)
        before = clock.slept
        clock.woken.set()
        while clock.slept == before:
            await asyncio.sleep(0.001)


async def test_a_clean_shutdown_declares_nothing(
    opened: Opening, batch: MakeBatch, path: Path
) -> None:
    async with opened() as store:
        store.append(batch(10))
    async with opened() as store:
        assert store.counters()["samples_stored"] == 10
    with open_reader(path) as reader:
        assert reader.gaps() == ()


async def test_a_kill_is_declared_once_as_an_acquisition_gap(
    opened: Opening, batch: MakeBatch, path: Path, clock: Standing
) -> None:
    async with opened() as store:
        store.append(batch(10))
        await store.flush()
    _unmark(path)
    clock.ns += 5 * 10**9
    for _ in range(2):
        async with opened():
            pass
    with open_reader(path) as reader:
        (gap,) = reader.gaps()
    assert (gap.what, gap.count) == ("acquisition", -1)
    assert (gap.from_ns, gap.to_ns) == (START_NS, START_NS + 5 * 10**9)


def _unmark(path: Path) -> None:
    """Make the file look as a killed hub leaves it."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE meta SET clean_shutdown = 0")
    connection.close()


async def test_a_keep_alive_moves_the_moment_until_which_nothing_is_missing(
    opened: Opening, path: Path, clock: Standing
) -> None:
    async with opened() as store:
        clock.ns += 10**9
        store.append(keep_alive("fast", clock.ns))
        await store.flush()
        with open_reader(path) as reader:
            connection = reader._connection
            (last_ns,) = connection.execute(
                "SELECT last_commit_ns FROM meta"
            ).fetchone()
    assert last_ns == START_NS + 10**9


async def test_a_second_writer_is_refused(opened: Opening) -> None:
    async with opened():
        with pytest.raises(StoreOpenError, match="another process"):
            async with opened():
                pass


def test_a_reader_of_nothing_is_told_so(path: Path) -> None:
    with pytest.raises(StoreOpenError), open_reader(path):
        pass


async def test_a_cancelled_commit_is_still_counted_as_it_ended(
    opened: Opening, batch: MakeBatch
) -> None:
    async with opened() as store:
        store.append(batch(10))
        await _cancelled(store)
        counters = store.counters()
    assert counters["samples_in_flight"] == 0
    assert counters["samples_stored"] == 10


async def _cancelled(store: BufferStore) -> None:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(store.flush(), name="flush")
        await asyncio.sleep(0)
        task.cancel()


async def test_a_reader_gives_the_columns_of_an_interval(
    opened: Opening, batch: MakeBatch, path: Path
) -> None:
    async with opened() as store:
        await store.register(_tags("a", "b"))
        store.append(batch(20))
        await store.flush()
        await store.fold()
        store.append(batch(20, start_ns=START_NS + 10**9))
        await store.flush()
        with open_reader(path) as reader:
            tag = parse_tag_id("P-101/b")
            every = reader.columns(tag)
            some = reader.columns(tag, from_ns=START_NS + 10**9)
            nothing = reader.columns(parse_tag_id("P-101/unknown"))
            assert reader.counters()["samples_stored"] == 40
    assert (len(every), len(some), len(nothing)) == (20, 10, 0)
    np.testing.assert_array_equal(some.quality, np.full(10, 2))


async def test_a_reader_refuses_to_pass_over_a_damaged_block(
    opened: Opening, batch: MakeBatch, path: Path
) -> None:
    async with opened() as store:
        await store.register(_tags("a", "b"))
        store.append(batch(20))
        await store.flush()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE segment SET content = x'00'")
    connection.close()
    with open_reader(path) as reader, pytest.raises(DamagedError):
        reader.columns(parse_tag_id("P-101/b"))


async def test_a_damaged_chunk_is_not_merged_and_the_others_are(
    opened: Opening, batch: MakeBatch, path: Path
) -> None:
    async with opened() as store:
        for minute in [0, 1, 65, 66, 150]:
            store.append(batch(20, start_ns=START_NS + minute * 60 * 10**9))
            await store.flush()
            await store._rounds.upkeep.fold()
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("UPDATE chunk SET content = x'00' WHERE id = 1")
        connection.close()
        for _ in range(6):
            await store.fold()
        found = await store.history(1, 0, 2**62, points=1000)
    assert found.damaged == 1
    assert len(found.value) == 40
