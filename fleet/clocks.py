"""Times as they were meant: what gateways have told of their clocks, applied on read.

A gateway whose clock was wrong sends an offset record as an event (`clock_offset`, see
`appliance.domain.era`). No row of the lake is changed: a reader adds what is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

OFFSET_EVENT = "clock_offset"
TIMES: Mapping[Stream, tuple[str, ...]] = {
    Stream.EVENT: ("time_ns",),
    Stream.SUMMARY: ("start_ns",),
    Stream.HEALTH: ("time_ns",),
    Stream.SNIPPET: ("start_ns",),
    Stream.GAP: ("from_ns", "to_ns"),
}
PARQUET = "read_parquet($1, union_by_name = true, hive_partitioning = false)"
_TABLE = """
CREATE OR REPLACE TEMP TABLE clock_offset AS
SELECT site, gateway, epoch,
    (details ->> 'era')::BIGINT AS era,
    (details ->> 'from_ns')::BIGINT AS from_ns,
    (details ->> 'to_ns')::BIGINT AS to_ns,
    max_by((details ->> 'offset_ns')::BIGINT, seq) AS offset_ns
FROM read_parquet($1, union_by_name = true, hive_partitioning = false)
WHERE kind = 'system' AND name = 'clock_offset'
GROUP BY ALL
"""
_NONE = """
CREATE OR REPLACE TEMP TABLE clock_offset (
    site VARCHAR, gateway VARCHAR, epoch VARCHAR, era BIGINT,
    from_ns BIGINT, to_ns BIGINT, offset_ns BIGINT
)
"""
_MACRO = """
CREATE OR REPLACE TEMP MACRO meant(of_site, of_gateway, of_epoch, stamp) AS
stamp + coalesce((
    SELECT max(known.offset_ns) FROM clock_offset AS known
    WHERE known.site = of_site AND known.gateway = of_gateway
    AND known.epoch = of_epoch AND known.era = stamp % 1000
    AND stamp BETWEEN known.from_ns AND known.to_ns
), 0)
"""


def learn_clocks(database: duckdb.DuckDBPyConnection, events: Sequence[str]) -> None:
    """Take the offset records out of the files of the event stream."""
    if events:
        database.execute(_TABLE, [list(events)])
    else:
        database.execute(_NONE)
    database.execute(_MACRO)


def rows_of(stream: Stream) -> str:
    """Return what to select from: the files `$1` of a stream, with the times meant.

    `learn_clocks` comes first.
    """
    times = ", ".join(
        f"meant(site, gateway, epoch, {name}) AS {name}" for name in TIMES[stream]
    )
    return f"(SELECT * REPLACE ({times}) FROM {PARQUET})"  # noqa: S608 - our own words
