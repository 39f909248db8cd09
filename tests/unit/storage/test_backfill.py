"""History that comes late: stored once, in the order of time, known after a kill."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.domain.batch import Text, Waveform, bad_batch, batch_of
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION
from appliance.domain.tag import Tag, TagId
from appliance.storage.connection import connect, transaction
from appliance.storage.migrations import migrate, shipped, version_of
from appliance.storage.newest import resume_points
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.storage.store import BufferStore

    Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[BufferStore]]
    MakeBatch: TypeAlias = Callable[..., Batch]

START_NS = 1_700_000_000 * 10**9
S = 10**9


def at(
    *times_s: float, tag: int = 1, value: float = 1.0, server_ns: int | None = None
) -> Batch:
    """Return live rows of a tag at these seconds."""
    return batch_of(
        [tag] * len(times_s),
        [value] * len(times_s),
        source_time_ns=[START_NS + round(t * S) for t in times_s],
        receive_time_ns=START_NS,
        server_time_ns=server_ns,
    )


def past(*times_s: float, tag: int = 1, value: float = 1.0) -> Batch:
    """Return the same as history."""
    return replace(at(*times_s, tag=tag, value=value), historical=True, confirms=False)


async def times_s(store: BufferStore, tag: int = 1) -> list[float]:
    found = await store.history(tag, 0, 2**62, points=10_000)
    return [(ns - START_NS) / S for ns in found.source_time_ns.tolist()]


def lawful(counters: dict[str, int]) -> bool:
    kept = ("samples_stored", "samples_rejected", "samples_in_flight")
    return counters["samples_read"] == sum(counters[each] for each in kept)


async def test_history_lies_among_the_live_rows_in_the_order_of_time(
    opened: Opening,
) -> None:
    async with opened() as store:
        store.append(at(0, 1, 9, 10))
        store.append(past(2, 3, 4))
        await store.flush()
        assert await times_s(store) == [0, 1, 2, 3, 4, 9, 10]
        await store.fold()
        store.append(past(5, 6))
        await store.flush()
        assert await times_s(store) == [0, 1, 2, 3, 4, 5, 6, 9, 10]


@pytest.mark.parametrize("fold", [False, True])
async def test_history_that_is_sent_again_is_stored_once_and_counted(
    opened: Opening, path: Path, *, fold: bool
) -> None:
    async with opened() as store:
        store.append(at(0, 1, 9))
        store.append(past(2, 3))
        await store.flush()
        if fold:
            await store.fold()
    async with opened() as store:  # we were started anew: it sends again from 1 on
        store.append(past(1, 2, 3, 4, 5))
        assert lawful(store.counters())
        await store.flush()
        assert await times_s(store) == [0, 1, 2, 3, 4, 5, 9]
        counters = store.counters()
    assert lawful(counters)
    assert counters["samples_duplicate"] == 3
    assert counters["samples_rejected"] == 3
    assert counters["samples_stored"] == 7
    assert verify(path) == ()


async def test_history_in_coarser_steps_is_known_again(opened: Opening) -> None:
    live_s = 1.000_000_700
    async with opened() as store:
        store.append(at(live_s))
        await store.flush()
        store.append(past(1.0, 1.000_002))
        await store.flush()
        assert await times_s(store) == pytest.approx([live_s, 1.000_002])


async def test_live_rows_of_one_time_are_all_kept(opened: Opening) -> None:
    async with opened() as store:
        store.append(at(1, 1))
        store.append(at(1))
        store.append(past(2, 2))  # a server may record two values at one time
        await store.flush()
        assert await times_s(store) == [1, 1, 1, 2, 2]


async def test_another_tags_rows_are_no_duplicates(opened: Opening) -> None:
    async with opened() as store:
        store.append(at(1, tag=1))
        store.append(past(1, tag=2))
        await store.flush()
        assert await times_s(store, tag=2) == [1]


async def test_texts_and_waveforms_of_history_are_stored_once(
    opened: Opening, path: Path
) -> None:
    wave = Waveform(1, START_NS, 1e4, np.arange(8, dtype=np.float32))
    words = Text(1, START_NS, "running")
    batch = replace(past(), waveforms=(wave,), texts=(words,))
    async with opened() as store:
        await store.register([Tag(TagId("a/b"))])
        for _ in range(3):
            store.append(batch)
        await store.flush()
        store.append(batch)
        await store.flush()
        counters = store.counters()
    with open_reader(path) as reader:
        assert len(list(reader.texts(TagId("a/b")))) == 1
        assert len(list(reader.waveforms(TagId("a/b")))) == 1
    assert (counters["samples_stored"], counters["samples_duplicate"]) == (2, 6)
    assert lawful(counters)
    assert verify(path) == ()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["flush", "fold"]),
            st.tuples(
                st.booleans(),
                st.integers(1, 2),
                st.sets(st.integers(0, 20), min_size=1),
            ),
        ),
        max_size=12,
    )
)
async def test_whatever_is_sent_again_each_time_is_there_once(
    opened: Opening, path: Path, story: Sequence[str | tuple[bool, int, set[int]]]
) -> None:
    for each in path.parent.glob("buffer.db*"):
        each.unlink()
    expected: Counter[tuple[int, int]] = Counter()
    async with opened() as store:
        for part in story:
            match part:
                case "flush":
                    await store.flush()
                case "fold":
                    await store.flush()
                    await store.fold()
                case (historical, tag, seconds) if not isinstance(part, str):
                    make = past if historical else at
                    store.append(make(*sorted(seconds), tag=tag))
                    for second in seconds:
                        if not historical or not expected[tag, second]:
                            expected[tag, second] += 1
        await store.flush()
        for tag in (1, 2):
            wanted = sorted(
                s for (t, s), n in expected.items() if t == tag for _ in range(n)
            )
            assert await times_s(store, tag) == wanted
        counters = store.counters()
        assert lawful(counters)
        assert counters["samples_stored"] == sum(expected.values())


async def test_small_chunks_of_a_backfill_are_merged_too(
    opened: Opening, path: Path
) -> None:
    async with opened() as store:
        for hour in (0, 1, 2, 3):
            store.append(at(hour * 3600))
            await store.flush()
            await store.fold()
        for _ in range(6):
            await store.fold()  # all hours are merged by now
        for minute in range(5):
            store.append(past(60 + minute * 60, 61 + minute * 60))
            await store.flush()
            await store.fold()
        for _ in range(4):
            await store.fold()
        assert len(await times_s(store)) == 14
    with closing(sqlite3.connect(path)) as connection:
        (chunks,) = connection.execute("SELECT count(*) FROM chunk").fetchone()
    assert chunks == 4


async def test_the_second_time_survives_commit_fold_merge_and_restart(
    opened: Opening, path: Path
) -> None:
    async with opened() as store:
        await store.register([Tag(TagId("a/b"))])
        store.append(at(0, 1, server_ns=START_NS + 7))
        store.append(at(2))
        await store.flush()
        before = await store.history(1, 0, 2**62, points=99)
        await store.fold()
        store.append(at(3, server_ns=START_NS + 9))
        await store.flush()
        await store.fold()
        store.append(at(7200))
        await store.flush()
        for _ in range(3):
            await store.fold()
        after = await store.history(1, 0, 2**62, points=99)
    assert before.server_time_ns is not None
    assert before.server_time_ns.tolist() == [START_NS + 7, START_NS + 7, 0]
    assert after.server_time_ns is not None
    expected = [START_NS + 7, START_NS + 7, 0, START_NS + 9, 0]
    assert after.server_time_ns.tolist() == expected
    with open_reader(path) as reader:
        columns = reader.columns(TagId("a/b"))
        assert columns.server_time_ns is not None
        assert columns.server_time_ns.tolist() == expected
        none = reader.columns(TagId("a/b"), from_ns=START_NS + 4 * S)
        assert none.server_time_ns is None


async def test_what_is_stored_last_is_known_for_every_tag(opened: Opening) -> None:
    async with opened() as store:
        tags = await store.register([Tag(TagId(f"a/{name}")) for name in "bcdef"])
        store.append(at(1, 5, tag=1))
        store.append(at(2, tag=2))
        await store.flush()
        await store.fold()
        store.append(at(3, tag=2))
        store.append(past(2, tag=1))  # history makes nothing newer than it was
        store.append(replace(at(), texts=(Text(4, START_NS + S, "on"),)))
        await store.flush()
        points = await store.resume_points()
    assert list(tags.values()) == [1, 2, 3, 4, 5]
    assert {tag: (ns - START_NS) / S for tag, ns in points.items()} == {
        1: 5,
        2: 3,
        4: 1,
    }


@pytest.mark.parametrize("fold", [False, True])
async def test_our_own_bad_rows_are_not_what_the_source_said(
    opened: Opening, *, fold: bool
) -> None:
    async with opened() as store:
        store.append(at(1))
        lost_ns = START_NS + 60 * S
        store.append(bad_batch([1, 2], STATUS_BAD_NO_COMMUNICATION, time_ns=lost_ns))
        await store.flush()
        if fold:
            await store.fold()
        points = await store.resume_points()
    assert points == {1: START_NS + S}


async def test_a_hole_that_was_half_filled_is_resumed_where_it_began(
    opened: Opening,
) -> None:
    async with opened() as store:
        store.append(at(1, 90))
        await store.flush()
        await store.note_unfilled({1: START_NS + S, 7: START_NS})
    async with opened() as store:
        assert await store.resume_points() == {1: START_NS + S, 7: START_NS}
        await store.note_unfilled({})
        assert await store.resume_points() == {1: START_NS + 90 * S}


async def test_a_buffer_of_the_first_release_is_migrated_and_resumed_from(
    path: Path, opened: Opening
) -> None:
    with closing(connect(path)) as connection:
        migrate(connection, path, migrations=shipped()[:1], now_ns=1)
    # What the first release wrote is what this one writes without its new tables.
    async with opened() as store:
        await store.register([Tag(TagId("a/b"))])
        store.append(at(1, 2, 3))
        await store.flush()
        await store.fold()
    with closing(connect(path)) as connection, transaction(connection):
        connection.execute("DELETE FROM newest")
    async with opened() as store:
        assert await store.resume_points() == {1: START_NS + 3 * S}
        assert await times_s(store) == [1, 2, 3]
    with closing(connect(path)) as connection:
        assert version_of(connection) == shipped()[-1].version
    assert path.with_name(f"{path.name}.v1.bak").exists()


async def test_thousands_of_tags_are_asked_for_by_a_few_statements(
    opened: Opening, path: Path
) -> None:
    count = 3000
    async with opened() as store:
        await store.register([Tag(TagId(f"a/{n}")) for n in range(count)])
        for second in range(3):
            store.append(
                batch_of(
                    np.arange(1, count + 1, dtype=np.uint32),
                    np.zeros(count),
                    source_time_ns=START_NS + second * S,
                    receive_time_ns=START_NS,
                )
            )
            await store.flush()
            if second == 1:
                await store.fold()
    statements: list[str] = []
    with closing(sqlite3.connect(path)) as connection:
        connection.set_trace_callback(statements.append)
        points = resume_points(connection)
    assert points == dict.fromkeys(range(1, count + 1), START_NS + 2 * S)
    assert len(statements) < 10


async def test_what_is_damaged_holds_up_neither_history_nor_a_start(
    opened: Opening, path: Path
) -> None:
    async with opened() as store:
        store.append(at(0, 1))
        await store.flush()
        await store.fold()
        store.append(at(5))
        await store.flush()
    with closing(connect(path)) as connection, transaction(connection):
        for table in ("segment", "times"):
            connection.execute(f"UPDATE {table} SET content = zeroblob(20)")  # noqa: S608 - names of ours
    async with opened() as store:
        store.append(past(1, 2, 5))
        await store.flush()
        assert store.healthy
        assert store.counters()["samples_duplicate"] == 0
        assert await store.resume_points() == {1: START_NS + 5 * S}
