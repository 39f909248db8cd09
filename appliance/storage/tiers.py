"""Tiers of resolution: raw samples, then roll-ups of a second, a minute, an hour.

Each tier has a share of what samples may take. The tier that is furthest over its
share gives its oldest hours to the next one, the last tier gives them up. So the
newest past stays fine and the oldest stays at all, in one and the same quota.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from appliance.domain.event import Gap
from appliance.storage.chunks import Codec, stacked
from appliance.storage.fold import (
    Block,
    StoredChunk,
    Values,
    delete_chunks,
    insert_blocks,
    unpack_chunk,
)
from appliance.storage.packing import DamagedError
from appliance.storage.records import (
    DECIMATED,
    DROPPED,
    add_counters,
    extend_gap,
    tier_counter,
)
from appliance.storage.rollups import (
    PERIODS_S,
    RAW,
    Rollups,
    coarser_s,
    merged,
    pack_rollups,
    roll_up,
    unpack_rollups,
    worthwhile_period_s,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

REASON = "storage quota"
SHARES = {RAW: 0.5, 1: 0.15, 60: 0.15, 3600: 0.2}
"""Only what others do not need is taken, so the hours, which are few, have plenty."""
_NS = 10**9
_WINDOWS_S = {RAW: 3600, 1: 3600, 60: 86_400, 3600: 86_400}
"""So much of a tag becomes one chunk of the next tier."""
_SPAN_PART = 8
_TAIL_ROWS = 256
"""A shorter roll-up chunk grows, instead of having another one beside it."""
_STEP_CHUNKS = 512
_CHUNK_SQL = """
SELECT chunk.id, chunk.tag, chunk.period_s, times.rows, times.content, chunk.content
FROM chunk JOIN times ON chunk.times = times.id WHERE chunk.id = ?
"""

_Part = TypeVar("_Part")
Reduced: TypeAlias = "dict[tuple[int, int], Rollups]"
"""Roll-ups by period and tag."""


@dataclass(frozen=True, slots=True)
class Thinned:
    """What takes the place of chunks: blocks by period, the rows they come from.

    `damaged` chunks can no longer be read; `grown` ones are in the blocks, too.
    """

    blocks: dict[int, list[Block]]
    rows: Mapping[int, int]
    damaged: list[StoredChunk]
    grown: list[StoredChunk]


def fullest_tier(connection: sqlite3.Connection) -> int | None:
    """Return the period of the tier furthest over its share; None where all are empty.

    A tier's bytes are counted, but its presence is looked up: a count may drift.
    """
    bytes_of = weights(connection)
    there = [
        period_s
        for period_s in SHARES
        if connection.execute(
            "SELECT 1 FROM chunk WHERE period_s = ? LIMIT 1", (period_s,)
        ).fetchone()
    ]
    return max(
        there,
        key=lambda tier: bytes_of[tier] / SHARES[tier],
        default=None,
    )


def weights(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the bytes of each tier's values."""
    counters = dict(
        connection.execute("SELECT name, value FROM counter WHERE name GLOB 'chunk_*'")
    )
    return {tier: counters.get(tier_counter(tier), 0) for tier in SHARES}


def oldest_chunks(
    connection: sqlite3.Connection, period_s: int, limit_bytes: int
) -> list[StoredChunk]:
    """Return the chunks of a tier's oldest window, tag by tag, up to a bound."""
    oldest_ns, newest_ns = connection.execute(
        "SELECT (SELECT min(start_ns) FROM chunk WHERE period_s = :period),"
        " (SELECT max(start_ns) FROM chunk WHERE period_s = :period)",
        {"period": period_s},
    ).fetchone()
    if oldest_ns is None:
        return []
    window_ns = _window_ns(period_s, newest_ns - oldest_ns)
    until_ns = (oldest_ns // window_ns + 1) * window_ns
    rows = connection.execute(
        "SELECT id, length(content) FROM chunk"
        " WHERE period_s = ? AND start_ns < ? ORDER BY tag, start_ns LIMIT ?",
        (period_s, until_ns, _STEP_CHUNKS),
    ).fetchall()
    weights = accumulate(weight for _, weight in rows)
    enough = sum(weight < limit_bytes for weight in weights) + 1
    return [StoredChunk(*_row_of(connection, number)) for number, _ in rows[:enough]]


def tails_of(
    connection: sqlite3.Connection, chunks: Sequence[StoredChunk]
) -> list[StoredChunk]:
    """Return the last, short, roll-ups of the same tags in all coarser tiers."""
    from_ns, _ = _span(connection, chunks)
    tags = {chunk.tag for chunk in chunks}
    found = []
    for period_s in PERIODS_S:
        if period_s <= chunks[0].period_s:
            continue
        newest = connection.execute(
            "SELECT id, tag, max(start_ns) FROM chunk"
            " WHERE period_s = ? AND start_ns BETWEEN ? AND ? GROUP BY tag",
            (period_s, from_ns - _TAIL_ROWS * period_s * _NS, from_ns),
        )
        ids = [number for number, tag, _ in newest if tag in tags]
        found += [StoredChunk(*_row_of(connection, number)) for number in ids]
    return [tail for tail in found if tail.rows < _TAIL_ROWS]


def thinned_out(
    chunks: Sequence[StoredChunk], tails: Iterable[StoredChunk] = ()
) -> Thinned:
    """Return what becomes of the chunks of one tier in the next. Not for the last."""
    codec = Codec()
    period_s = chunks[0].period_s
    reduced: Reduced = {}
    if period_s == RAW:
        raw, damaged = _unpacked(chunks, partial(unpack_chunk, codec))
        for tag, parts in raw.items():
            columns = stacked(parts).ordered()
            target_s = worthwhile_period_s(columns.source_time_ns)
            reduced[target_s, tag] = roll_up(columns, target_s)
    else:
        fine, damaged = _unpacked(chunks, partial(_unpack_rollups, codec))
        coarse_s = coarser_s(period_s)
        assert coarse_s is not None, "the last tier is dropped, not thinned out"
        for tag, rollups in fine.items():
            reduced[coarse_s, tag] = merged(rollups, coarse_s)
    lost = {chunk.id for chunk in damaged}
    rows: Counter[int] = Counter()
    for target_s, tag in reduced:
        rows[target_s] += sum(
            each.rows for each in chunks if each.tag == tag and each.id not in lost
        )
    grown = _grow(codec, reduced, tails)
    return Thinned(_blocks(codec, reduced), rows, damaged, grown)


def replace_chunks(
    connection: sqlite3.Connection, chunks: Sequence[StoredChunk], thinned: Thinned
) -> dict[str, int]:
    """Put roll-ups in the place of chunks; return what to count of raw samples."""
    raw = chunks[0].period_s == RAW
    what = "raw" if raw else "rollup"
    from_ns, to_ns = _span(connection, chunks)
    delete_chunks(connection, [chunk.id for chunk in (*chunks, *thinned.grown)])
    for period_s, blocks in thinned.blocks.items():
        insert_blocks(connection, blocks, period_s)
    for period_s, rows in thinned.rows.items():
        reason = f"{REASON}: reduced to {period_s} s"
        extend_gap(connection, Gap(what, reason, from_ns, to_ns, rows))
    lost = sum(chunk.rows for chunk in thinned.damaged)
    if lost:
        extend_gap(connection, Gap(what, "damaged", from_ns, to_ns, lost))
    if not raw:
        return {}
    counted = {DECIMATED: sum(thinned.rows.values()), DROPPED: lost}
    add_counters(connection, counted)
    return counted


def drop_chunks(connection: sqlite3.Connection, chunks: Sequence[StoredChunk]) -> None:
    """Drop roll-ups; their samples were counted when they were decimated."""
    from_ns, to_ns = _span(connection, chunks)
    rows = sum(chunk.rows for chunk in chunks)
    delete_chunks(connection, [chunk.id for chunk in chunks])
    extend_gap(connection, Gap("rollup", REASON, from_ns, to_ns, rows))


def _window_ns(period_s: int, span_ns: int) -> int:
    """Return the window to take whole; less where the tier holds only a short past."""
    for window_s in (_WINDOWS_S[period_s], 3600, 600):
        if window_s * _NS <= span_ns // _SPAN_PART:
            return window_s * _NS
    return PERIODS_S[1] * _NS


def _unpacked(
    chunks: Iterable[StoredChunk], unpack: Callable[[StoredChunk], _Part]
) -> tuple[dict[int, list[_Part]], list[StoredChunk]]:
    """Return each tag's parts, and the chunks that can no longer be read."""
    parts: dict[int, list[_Part]] = {}
    damaged = []
    for chunk in chunks:
        try:
            part = unpack(chunk)
        except DamagedError:
            damaged.append(chunk)
        else:
            parts.setdefault(chunk.tag, []).append(part)
    return parts, damaged


def _unpack_rollups(codec: Codec, chunk: StoredChunk) -> Rollups:
    times = codec.unpack_times(chunk.times, chunk.rows)
    return unpack_rollups(codec, chunk.content, times)


def _grow(
    codec: Codec, reduced: Reduced, tails: Iterable[StoredChunk]
) -> list[StoredChunk]:
    """Put tails before what follows them; return those that were."""
    grown = []
    for tail in tails:
        key = tail.period_s, tail.tag
        if key not in reduced:
            continue
        try:
            before = _unpack_rollups(codec, tail)
        except DamagedError:
            continue  # stays where it is, for `buffer repair`
        reduced[key] = merged([before, reduced[key]], tail.period_s)
        grown.append(tail)
    return grown


def _row_of(connection: sqlite3.Connection, number: int) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(_CHUNK_SQL, (number,)).fetchone()
    return row


def _blocks(codec: Codec, reduced: Reduced) -> dict[int, list[Block]]:
    """Pack roll-ups; tags with the same periods share one block of them."""
    found: dict[int, dict[bytes, Block]] = {}
    for (period_s, tag), rollups in reduced.items():
        blocks = found.setdefault(period_s, {})
        key = rollups.start_ns.tobytes()
        if key not in blocks:
            blocks[key] = _block(codec, rollups, period_s)
        blocks[key].values.append(Values(tag, pack_rollups(codec, rollups)))
    return {period_s: list(blocks.values()) for period_s, blocks in found.items()}


def _block(codec: Codec, rollups: Rollups, period_s: int) -> Block:
    return Block(
        start_ns=int(rollups.start_ns[0]),
        end_ns=int(rollups.start_ns[-1]) + period_s * _NS - 1,
        rows=len(rollups),
        times=codec.pack_times(rollups.start_ns),
    )


def _span(
    connection: sqlite3.Connection, chunks: Sequence[StoredChunk]
) -> tuple[int, int]:
    spans = [
        connection.execute(
            "SELECT times.start_ns, times.end_ns FROM chunk"
            " JOIN times ON chunk.times = times.id WHERE chunk.id = ?",
            (chunk.id,),
        ).fetchone()
        for chunk in chunks
    ]
    return min(span[0] for span in spans), max(span[1] for span in spans)
