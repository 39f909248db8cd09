"""The lake for readers: every row that was acknowledged, as Parquet."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from appliance.wire.outbox import Stream
from fleet.clocks import PARQUET, learn_clocks, rows_of
from fleet.delivery import StreamKey
from fleet.parts import LakeError, connect, read_parts
from fleet.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fleet.parts import Part


class Lake:
    """A view of the parts that were there when it was opened, or at `refresh`.

    May be used beside a running ingest. Every answer is a query of the files.
    """

    def __init__(self, root: Path, database: duckdb.DuckDBPyConnection) -> None:
        self._root = root
        self._database = database
        self._parts: tuple[Part, ...] = ()
        self.broken: tuple[Path, ...] = ()

    def refresh(self) -> None:
        """Look which parts there are now."""
        self._parts, self.broken = read_parts(self._database, self._root)

    def paths(self) -> tuple[Path, ...]:
        """Return the files that count."""
        return tuple(part.path for part in self._parts)

    def rows(self, stream: Stream, *, meant: bool = False) -> list[dict[str, Any]]:
        """Return the rows of a stream with their keys, in the order of the keys.

        Times are as they were stamped, or as they were `meant` (see `fleet.clocks`).
        """
        paths = self._paths(stream)
        if not paths:
            return []
        if meant:
            learn_clocks(self._database, self._paths(Stream.EVENT))
        source = rows_of(stream) if meant else PARQUET
        result = self._query(
            f"SELECT * FROM {source} ORDER BY site, gateway, epoch, stream, seq",  # noqa: S608 - our own words
            paths,
        )
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def count(self, stream: Stream | None = None) -> int:
        """Return how many rows lie in the files."""
        return self._number(
            "SELECT count(*) FROM"
            " read_parquet($1, union_by_name = true, hive_partitioning = false)",
            self._paths(stream),
        )

    def duplicates(self) -> int:
        """Return how many rows lie there more than once, by their key."""
        return self._number(
            "SELECT count(*) - count(DISTINCT (site, gateway, epoch, stream, seq)) FROM"
            " read_parquet($1, union_by_name = true, hive_partitioning = false)",
            self._paths(None),
        )

    def rows_by_stream(self) -> dict[StreamKey, int]:
        """Return how many rows of each stream lie there, each key counted once."""
        paths = self._paths(None)
        if not paths:
            return {}
        found = self._query(
            "SELECT site, gateway, epoch, stream, count(DISTINCT seq) FROM"
            " read_parquet($1, union_by_name = true, hive_partitioning = false)"
            " GROUP BY ALL",
            paths,
        ).fetchall()
        return {
            StreamKey(site, gateway, epoch, Stream(name)): rows
            for site, gateway, epoch, name, rows in found
        }

    def doubles_by_stream(self) -> dict[StreamKey, int]:
        """Return how many rows too many there are of each stream that has such."""
        paths = self._paths(None)
        if not paths:
            return {}
        found = self._query(
            "SELECT site, gateway, epoch, stream, count(*) - count(DISTINCT seq) more"
            " FROM read_parquet($1, union_by_name = true, hive_partitioning = false)"
            " GROUP BY ALL HAVING more > 0",
            paths,
        ).fetchall()
        return {
            StreamKey(site, gateway, epoch, Stream(name)): more
            for site, gateway, epoch, name, more in found
        }

    def stored(self) -> dict[StreamKey, Ranges]:
        """Return the sequence numbers there are, as the parts say."""
        found: dict[StreamKey, Ranges] = {}
        for part in self._parts:
            for key, ranges in part.held():
                found.setdefault(key, Ranges()).add_all(ranges)
        return found

    def declared(self) -> list[tuple[StreamKey, int, int, str]]:
        """Return the gaps in streams that gateways have declared, with the reason."""
        gaps = []
        for row in self.rows(Stream.GAP):
            key = stream_of_gap(
                row["site"], row["gateway"], row["epoch"], what=row["what"]
            )
            if key is not None and 1 <= row["first"] <= row["through"]:
                gaps.append((key, row["first"], row["through"], row["reason"]))
        return gaps

    def _number(self, query: str, paths: Sequence[str]) -> int:
        if not paths:
            return 0
        return int(self._query(query, paths).fetchall()[0][0])

    def _paths(self, stream: Stream | None) -> list[str]:
        return [
            str(part.path)
            for part in self._parts
            if stream is None
            or part.path.relative_to(self._root).parts[0] == f"stream={stream}"
        ]

    def _query(self, query: str, paths: Sequence[str]) -> Any:  # noqa: ANN401 - duckdb is untyped
        try:
            return self._database.execute(query, [paths])
        except duckdb.Error as error:
            raise LakeError(f"the lake cannot be read: {error}") from error


@contextmanager
def open_lake(root: Path) -> Iterator[Lake]:
    """Open a lake for reading.

    Raises:
        LakeError: There is no folder of that name.
    """
    if not root.is_dir():
        raise LakeError(f"{root} is not a folder")
    database = connect()
    try:
        lake = Lake(root, database)
        lake.refresh()
        yield lake
    finally:
        database.close()


def stream_of_gap(
    site: str, gateway: str, epoch: str, *, what: str
) -> StreamKey | None:
    """Return the stream that a gap row speaks of, or None: it is not about one."""
    try:
        return StreamKey(site, gateway, epoch, Stream(what))
    except ValueError:
        return None
