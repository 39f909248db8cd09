"""Is the buffer whole? Every block is unpacked, every count is held against rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from appliance.storage import records
from appliance.storage.chain import verify_chain
from appliance.storage.chunks import Codec, unpack_segment
from appliance.storage.counters import PENDING, account_of
from appliance.storage.packing import DamagedError
from appliance.storage.rollups import unpack_rollups
from appliance.wire.messages import WireError
from appliance.wire.outbox import Stream, decode_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from appliance.domain.event import Gap

_SAMPLES_SQL = """
SELECT (SELECT coalesce(sum(rows), 0) FROM segment)
    + (SELECT coalesce(sum(times.rows), 0) FROM chunk
       JOIN times ON chunk.times = times.id WHERE chunk.period_s = 0)
    + (SELECT count(*) FROM waveform) + (SELECT count(*) FROM text)
"""
_CHUNKS_SQL = """
SELECT chunk.id, chunk.period_s, times.rows, times.content, chunk.content
FROM chunk JOIN times ON chunk.times = times.id
"""


def audit(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield every problem as a sentence. Call it inside a read transaction."""
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"SQLite: {line}"
    for table, number in damaged_blocks(connection):
        yield f"{table} {number} is damaged"
    counters = records.read_counters(connection)
    lost = missing_samples(connection, counters)
    if lost:
        yield f"{lost} stored samples are neither there nor declared as lost"
    for stream in Stream:
        yield from _audit_stream(connection, stream, counters)
    chain = verify_chain(connection)
    if chain.problem:
        yield f"journal: {chain.problem}"


def damaged_blocks(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Yield table and id of every block that does not unpack."""
    codec = Codec()

    def block(unpack: Callable[[bytes, int], object]) -> Callable[..., object]:
        return lambda rows, content: unpack(content, rows)

    for table, sql, unpack in (
        ("segment", "SELECT id, rows, content FROM segment", block(unpack_segment)),
        (
            "times",
            "SELECT id, rows, content FROM times",
            block(codec.unpack_times),
        ),
        ("chunk", _CHUNKS_SQL, partial(_unpack_chunk, codec)),
        (
            "preview",
            "SELECT id, rows, content FROM preview",
            block(codec.unpack_rows),
        ),
        (
            "waveform",
            "SELECT id, points, content FROM waveform",
            block(codec.unpack_points),
        ),
    ):
        for number, *columns in connection.execute(sql):
            if not _unpacks(partial(unpack, *columns)):
                yield table, number


def missing_samples(connection: sqlite3.Connection, counters: dict[str, int]) -> int:
    """Return how many stored samples are neither there nor counted as lost."""
    (there,) = connection.execute(_SAMPLES_SQL).fetchone()
    gone = counters.get(records.DECIMATED, 0) + counters.get(records.DROPPED, 0)
    return int(counters.get(records.STORED, 0) - gone - there)


def missing_rows(
    connection: sqlite3.Connection, stream: Stream, counters: dict[str, int]
) -> int:
    """Return how many rows a stream should hold more than it does."""
    (there,) = connection.execute(
        f"SELECT count(*) FROM outbox_{stream}"  # noqa: S608 - a closed enum
    ).fetchone()
    return int(account_of(counters, stream)[PENDING] - there)


def _audit_stream(
    connection: sqlite3.Connection, stream: Stream, counters: dict[str, int]
) -> Iterator[str]:
    missing = missing_rows(connection, stream, counters)
    if missing:
        yield f"outbox {stream}: {missing} rows are missing and not declared"
    gaps = [gap for gap in records.read_gaps(connection) if gap.what == stream]
    before = None
    for seq, content in connection.execute(
        f"SELECT seq, content FROM outbox_{stream} ORDER BY seq"  # noqa: S608 - a closed enum
    ):
        if before is not None and not _is_declared(gaps, before + 1, seq - 1):
            yield f"outbox {stream}: nothing between {before} and {seq}"
        before = seq
        try:
            decode_row(stream, content)
        except WireError as error:
            yield f"outbox {stream} {seq}: {error}"


def _is_declared(gaps: list[Gap], first: int, through: int) -> bool:
    """Whether declared gaps cover all the numbers first..through, if any."""
    for gap in sorted(gaps, key=lambda gap: gap.first):
        if gap.first <= first <= gap.through:
            first = gap.through + 1
    return first > through


def _unpack_chunk(
    codec: Codec, period_s: int, rows: int, times: bytes, content: bytes
) -> None:
    try:
        time_ns = codec.unpack_times(times, rows)
    except DamagedError:
        return  # said of the times
    if period_s:
        unpack_rollups(codec, content, time_ns)
    else:
        codec.unpack_values(content, time_ns)


def _unpacks(work: Callable[[], object]) -> bool:
    try:
        work()
    except DamagedError:
        return False
    return True
