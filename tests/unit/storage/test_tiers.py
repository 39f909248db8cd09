"""Tiers of roll-ups, previews, the reserve: what is given up, and what is not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind, Gap
from appliance.domain.tag import Tag, TagId, parse_tag_id
from appliance.storage import retention, tiers
from appliance.storage.chunks import Codec, Columns
from appliance.storage.commit import ReserveError
from appliance.storage.connection import StoreUnavailableError, transaction
from appliance.storage.fold import StoredChunk
from appliance.storage.history import (
    BLOCKS_SQL,
    PREVIEW_RUN,
    PREVIEWS_SQL,
    statement_for,
    thinned,
)
from appliance.storage.reader import open_reader
from appliance.storage.records import read_counters, tier_counter
from appliance.storage.repair import verify
from appliance.storage.rollups import (
    coarser_s,
    merged,
    pack_rollups,
    roll_up,
    unpack_extremes,
    worthwhile_period_s,
)
from appliance.wire.outbox import SnippetRow, Stream, encode_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.storage.store import BufferStore

    Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[BufferStore]]

S = 10**9
START_NS = 1_699_999_200 * S  # a full hour


def columns(values: list[float], quality: list[int], step_s: float = 7.0) -> Columns:
    rows = len(values)
    return Columns(
        START_NS + np.arange(rows) * round(step_s * S),
        np.array(values, np.float64),
        np.array(quality, np.uint8),
        np.zeros(rows, np.uint32),
    )


def minute(start_s: int, value: float, *, tags: int = 3, rate_hz: int = 10) -> Batch:
    """Return a minute of steady noise about a value."""
    rows = 60 * rate_hz
    rng = np.random.default_rng(start_s)
    time_ns = START_NS + start_s * S + np.arange(rows) * (S // rate_hz)
    return batch_of(
        np.tile(np.arange(1, tags + 1, dtype=np.uint32), rows),
        np.round(value + rng.normal(size=rows * tags), 2),
        source_time_ns=np.repeat(time_ns, tags),
        receive_time_ns=START_NS + start_s * S,
    )


@given(
    st.lists(
        st.tuples(
            st.floats(-1e6, 1e6) | st.just(float("nan")), st.sampled_from([0, 2])
        ),
        min_size=1,
        max_size=300,
    ),
    st.integers(1, 5),
)
def test_roll_ups_of_roll_ups_are_roll_ups_of_the_samples(
    rows: list[tuple[float, int]], cuts: int
) -> None:
    raw = columns([value for value, _ in rows], [quality for _, quality in rows])
    size = -(-len(raw) // cuts)
    parts = [
        roll_up(raw.at(slice(start, start + size)), 60)
        for start in range(0, len(raw), size)
    ]
    found, expected = merged(parts, 3600), roll_up(raw, 3600)
    for name in ("start_ns", "count", "bad", "min", "max"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.tobytes() == theirs.tobytes(), name
    span = 1.0 + np.nanmax(np.abs(expected.max), initial=0.0)
    span += np.nanmax(np.abs(expected.min), initial=0.0)
    for name in ("mean", "std"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours == pytest.approx(theirs, abs=1e-7 * span, nan_ok=True), name


def test_extremes_alone_are_those_of_the_whole() -> None:
    rollups = roll_up(columns([1.0, 9.0, 4.0] * 40, [2] * 120), 60)
    codec = Codec()
    count, low, high = unpack_extremes(
        codec, pack_rollups(codec, rollups), len(rollups)
    )
    assert count.tolist() == rollups.count.tolist()
    assert low.tobytes() == rollups.min.tobytes()
    assert high.tobytes() == rollups.max.tobytes()


@pytest.mark.parametrize(
    ("step_s", "period_s"), [(0.01, 1), (0.1, 1), (1.0, 60), (5.0, 60), (60.0, 3600)]
)
def test_a_roll_up_is_as_fine_as_is_worthwhile(step_s: float, period_s: int) -> None:
    assert worthwhile_period_s(
        columns([0.0] * 400, [2] * 400, step_s).source_time_ns
    ) == (period_s)


def test_the_tiers_end_with_the_hour() -> None:
    assert [coarser_s(each) for each in (0, 1, 60, 3600)] == [1, 60, 3600, None]


def test_a_part_of_an_hour_joins_the_other_part() -> None:
    codec = Codec()
    raw = columns([1.0, 5.0, 3.0] * 200, [2] * 600)
    tail = roll_up(raw.at(slice(0, 250)), 3600)
    later = roll_up(raw.at(slice(250, 600)), 60)
    before, after = (
        StoredChunk(
            number,
            tag=1,
            period_s=period_s,
            rows=len(rollups),
            times=codec.pack_times(rollups.start_ns),
            content=pack_rollups(codec, rollups),
        )
        for number, period_s, rollups in ((1, 3600, tail), (2, 60, later))
    )
    result = tiers.thinned_out([after], [before])
    (block,) = result.blocks[3600]
    assert [chunk.id for chunk in result.grown] == [1]
    assert block.rows == len(roll_up(raw, 3600))


async def test_the_newest_stays_fine_and_the_oldest_stays_at_all(
    opened: Opening, path: Path
) -> None:
    async with opened(quota_bytes=1_000_000) as store:
        await store.register([Tag(parse_tag_id(f"P/{n}")) for n in range(3)])
        for number in range(600):
            store.append(minute(60 * number, 1e6 if number == 3 else 20.0))
            await store.flush()
            await store.fold()
            await store.retain()
        counters = store.counters()
        newest = await store.history(1, START_NS + 35_900 * S, 2**62, points=10**6)
        whole = await store.history(1, 0, 2**62, points=400)
    assert len(newest.value) == 1000, "the last minutes are raw"
    assert whole.source_time_ns[0] < START_NS + 3600 * S
    assert whole.value.max() > 999_990.0, "the spike of ten hours ago is shown"
    assert verify(path) == ()
    with open_reader(path) as reader:
        reasons = {(gap.what, gap.reason): gap.count for gap in reader.gaps()}
    assert (
        reasons["raw", "storage quota: reduced to 1 s"]
        == (counters["samples_decimated"])
    )
    assert reasons["rollup", "storage quota: reduced to 60 s"] > 0


async def test_the_bytes_of_the_tiers_are_counted_with_them(
    opened: Opening, path: Path
) -> None:
    async with opened(quota_bytes=1_000_000) as store:
        for number in range(300):
            store.append(minute(60 * number, 20.0))
            await store.flush()
            await store.retain()
    with closing(sqlite3.connect(path)) as connection:
        counters = read_counters(connection)
        there = dict(
            connection.execute(
                "SELECT period_s, sum(length(content)) FROM chunk GROUP BY period_s"
            )
        )
    assert set(there) >= {0, 1}
    for period_s, weight in there.items():
        assert counters[tier_counter(period_s)] == weight


async def test_a_trend_from_previews_has_the_extremes_of_the_samples(
    opened: Opening, path: Path
) -> None:
    rng = np.random.default_rng(1)
    rows = 40 * PREVIEW_RUN
    value = np.round(rng.normal(20, 1, rows), 3)
    value[5000], value[7777] = 500.0, -500.0
    time_ns = START_NS + np.arange(rows) * S
    async with opened() as store:
        await store.register([Tag(parse_tag_id("P/0"))])
        store.append(
            batch_of(
                np.ones(rows, np.uint32),
                value,
                source_time_ns=time_ns,
                receive_time_ns=START_NS,
            )
        )
        await store.flush()
        await store.fold()
        coarse = await store.history(1, 0, 2**62, points=20)
        inside = await store.history(
            1, int(time_ns[4999]), int(time_ns[5001]), points=20
        )
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM preview").fetchone()[0] > 0
        connection.execute("UPDATE preview SET content = zeroblob(9)")
    with open_reader(path) as reader:
        without = reader.history(TagId("P/0"), 0, 2**62, points=20)
    assert statement_for(rows, 20) == PREVIEWS_SQL
    assert statement_for(rows, 1000) == BLOCKS_SQL
    assert {500.0, -500.0} <= set(coarse.value.tolist())
    assert len(coarse.value) <= 20
    known = dict(zip(time_ns.tolist(), value.tolist(), strict=True))
    shown = zip(coarse.source_time_ns.tolist(), coarse.value.tolist(), strict=True)
    assert all(known[at] == each for at, each in shown), "rows that were there"
    assert inside.value.tolist() == value[4999:5002].tolist()
    assert without.damaged == 0, "a damaged preview is passed over"
    exact = thinned(columns(value.tolist(), [2] * rows, 1.0), 20)
    assert without.value.tolist() == exact.value.tolist()


async def test_what_is_derived_is_made_anew_where_it_is_missing(
    opened: Opening, path: Path
) -> None:
    alarm = Event(EventKind.ALARM, "active", START_NS, "", details={"id": "a"})
    async with opened() as store:
        store.append(minute(0, 20.0))
        await store.append_event(alarm)
        await store.append_gap(Gap("acquisition", "x", 0, 1, 1))
        await store.fold()
    with closing(sqlite3.connect(path)) as connection, connection:
        before = read_counters(connection)
        connection.executescript(
            "DELETE FROM last_word; DELETE FROM untold; DELETE FROM derived"
        )
        connection.execute("DELETE FROM counter WHERE name LIKE '%bytes%'")
        connection.execute(
            "INSERT INTO event VALUES (99, 1, 'odd', ?)", (b"\xc1 of a newer release",)
        )
    async with opened():
        pass
    with open_reader(path) as reader:
        assert reader.last_words(EventKind.ALARM) == {"a": alarm}
        assert [gap.reason for gap in reader.untold_gaps()] == ["x"]
        after = reader.counters()
    assert after["chunk_bytes_0"] == before["chunk_bytes_0"]
    assert after["event_bytes"] > before["event_bytes"]


async def test_ordinary_events_leave_when_nothing_else_is_left_and_trips_never(
    opened: Opening, path: Path
) -> None:
    async with opened() as store:
        for kind in EventKind:
            await store.append_event(Event(kind, "x", START_NS, "y" * 50))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        before = read_counters(connection)["event_bytes"]
        with transaction(connection):
            assert retention.drop_events(connection, 1) == 1
            assert retention.drop_events(connection, 10**6) == 3
            assert retention.drop_events(connection, 10**6) == 0
        (weight,) = connection.execute(
            "SELECT sum(length(content) + 24) FROM event"
        ).fetchone()
        assert read_counters(connection)["event_bytes"] == weight < before
    with open_reader(path) as reader:
        kept = {event.kind for event in reader.events()}
        (gap,) = reader.gaps()
    assert kept == set(EventKind) - retention.ORDINARY
    assert {EventKind.TRIP, EventKind.ALARM, EventKind.AUDIT, EventKind.SAFETY} <= kept
    assert (gap.what, gap.count) == ("event_log", 4)


async def test_the_last_part_of_the_quota_is_for_events_alone(
    opened: Opening, path: Path
) -> None:
    snippet = encode_row(SnippetRow("P/0", 0, 1.0, 1, b"h" * 3900, "anomaly"))
    async with opened(quota_bytes=1_000_000) as store:
        store.enqueue(Stream.SNIPPET, [snippet] * 120, START_NS)
        await store.flush()
        while True:
            store.enqueue(Stream.SNIPPET, [snippet], START_NS)
            try:
                await store.flush()
            except StoreUnavailableError:
                break
        assert ReserveError.__name__ in store.last_error
        trip = Event(EventKind.TRIP, "first_out", START_NS, "a trip")
        assert await store.append_event(trip) == 1
        await store.retain()
        await store.flush()
        assert store.healthy, "retention has made room"
    assert verify(path) == ()


async def test_thousands_of_gaps_of_a_reason_become_one_and_the_untold_stay(
    opened: Opening, path: Path
) -> None:
    async with opened() as store:
        for number in range(retention.GAPS_MAX):
            store.queue_gap(Gap("summary", "outbox quota", number, number + 1, 2))
            if number % 500 == 0:
                await store.flush()
        await store.append_gap(Gap("acquisition", "not told", 0, 1, 1))
        await store.append_gap(Gap("acquisition", "not told", 0, 1, 1))
        await store.fold()
    with open_reader(path) as reader:
        gaps = reader.gaps()
        assert len(reader.untold_gaps()) == 2
    first, *rest = gaps
    assert len(gaps) == retention.GAPS_MAX // 2 + 3
    assert (first.from_ns, first.to_ns) == (0, retention.GAPS_MAX // 2)
    assert first.count + sum(
        gap.count for gap in rest if gap.what == "summary"
    ) == 2 * (retention.GAPS_MAX)
