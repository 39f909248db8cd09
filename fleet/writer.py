"""The lake for its one writer: each row once, durable before it is acknowledged."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.wire.outbox import GapRow
from fleet.lake import Lake, stream_of_gap
from fleet.parts import (
    SUFFIX,
    LakeError,
    about_of,
    compact,
    connect,
    folder_of,
    small_parts,
    write_part,
)
from fleet.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray

    from fleet.delivery import Delivery, StreamKey

COMPACT_PARTS = 64
_LOCK = ".lock"


class LakeWriter:
    """Adds deliveries, drops the rows it has, commits. Made by `open_writer` alone.

    What is committed is known from the parts themselves, so there is no other state
    that could disagree with them after a crash.
    """

    def __init__(self, root: Path, database: duckdb.DuckDBPyConnection) -> None:
        self._root = root
        self._database = database
        self._taken: dict[StreamKey, Ranges] = {}
        self._settled: dict[StreamKey, Ranges] = {}
        self._pending: dict[Path, list[_Piece]] = {}
        self._next_part = 1
        self._counts = {
            "rows_new": 0, "rows_again": 0, "parts_written": 0, "compactions": 0,
        }  # fmt: skip

    @property
    def counters(self) -> Mapping[str, int]:
        """Rows taken, rows dropped because they were there, parts, compactions."""
        return dict(self._counts)

    def recover(self) -> None:
        """Learn from the parts what is there; clear away what a crash left behind.

        A part that cannot be read is set aside under another name, never deleted.
        """
        for left in self._root.glob("stream=*/site=*/date=*/.*.tmp"):
            left.unlink()
        lake = Lake(self._root, self._database)
        lake.refresh()
        for path in lake.broken:
            path.rename(path.with_name(f"{path.name}.broken"))
        kept = set(lake.paths())
        for path in self._root.glob(f"stream=*/site=*/date=*/*{SUFFIX}"):
            if path not in kept:
                path.unlink()  # replaced by a compaction that was cut short
        self._taken = lake.stored()
        for key, first, through, _ in lake.declared():
            self._settle(key, first, through)
        numbers = (path.stem.rpartition("-")[2] for path in kept)
        self._next_part = max(map(int, filter(str.isdecimal, numbers)), default=0) + 1

    def add(self, delivery: Delivery) -> tuple[StreamKey, ...]:
        """Take a delivery into the next commit.

        Return the streams whose `through` may move by it: its own, and those for
        which it declares gaps.
        """
        key = delivery.key
        taken = self._taken.setdefault(key, Ranges())
        folder = folder_of(self._root, key.stream, key.site, day=delivery.day)
        fresh = 0
        for first, last in taken.missing(delivery.first, delivery.last):
            piece = _Piece(key, first, last, delivery.part(first, last))
            self._pending.setdefault(folder, []).append(piece)
            fresh += last - first + 1
        taken.add(delivery.first, delivery.last)
        self._settle(key, 1, delivery.settled)
        self._counts["rows_new"] += fresh
        self._counts["rows_again"] += delivery.last - delivery.first + 1 - fresh
        return (key, *self._declare(delivery))

    def commit(self) -> None:
        """Make all that was added durable.

        Raises:
            LakeError: The disk refused. This writer is then of no more use: what it
                holds is unknown to the lake, and must be delivered again.
        """
        folders = list(self._pending)
        for folder in folders:
            pieces = self._pending.pop(folder)
            held: dict[StreamKey, Ranges] = {}
            for piece in pieces:
                held.setdefault(piece.key, Ranges()).add(piece.first, piece.last)
            columns = [piece.columns for piece in pieces]
            write_part(self._database, self._new_path(folder), columns, about_of(held))
        for folder in folders:
            self._compact(folder)

    def through(self, key: StreamKey) -> int:
        """Return up to which row nothing is missing that could still come.

        Only meaningful after `commit`.
        """
        covered = self._taken.get(key, Ranges()).copy()
        covered.add_all(self._settled.get(key, Ranges()))
        return covered.unbroken()

    def _settle(self, key: StreamKey, first: int, last: int) -> None:
        self._settled.setdefault(key, Ranges()).add(first, last)

    def _declare(self, delivery: Delivery) -> set[StreamKey]:
        declared = set()
        for row in delivery.rows:
            if isinstance(row, GapRow):
                key = delivery.key
                about = stream_of_gap(key.site, key.gateway, key.epoch, what=row.what)
                if about is not None and 1 <= row.first <= row.through:
                    self._settle(about, row.first, row.through)
                    declared.add(about)
        return declared

    def _new_path(self, folder: Path) -> Path:
        path = folder / f"part-{self._next_part:012d}{SUFFIX}"
        self._next_part += 1
        self._counts["parts_written"] += 1
        return path

    def _compact(self, folder: Path) -> None:
        small = small_parts(folder)
        if len(small) >= COMPACT_PARTS:
            compact(self._database, small, self._new_path(folder))
            self._counts["compactions"] += 1


@dataclass(frozen=True, slots=True)
class _Piece:
    key: StreamKey
    first: int
    last: int
    columns: Mapping[str, NDArray[Any]]


@contextmanager
def open_writer(root: Path) -> Iterator[LakeWriter]:
    """Open a lake for writing, making it where there is none.

    Raises:
        LakeError: Another process writes it, or the folder cannot be used.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise LakeError(f"{root} cannot be used: {error}") from error
    try:
        _lock(lock, root)
        database = connect()
        try:
            writer = LakeWriter(root, database)
            writer.recover()
            yield writer
        finally:
            database.close()
    finally:
        os.close(lock)


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise LakeError(f"{root} is being written by another process") from error
