"""Columns ↔ compressed blocks, exactly. Pure; no database.

What not every row has comes after what every row has, each behind its section number:
a block without it is as it was before there was any, and old blocks still read.

A *segment* is one group commit: many tags, many times, packed fast. A *chunk* is
one tag's values; its times lie in a block of their own, because tags that are
polled together share them, and times cost more than values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import zstandard

from appliance.storage.floats import pack_floats, unpack_floats
from appliance.storage.integers import pack_integers, unpack_integers
from appliance.storage.packing import DamagedError, Packer, Unpacker, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from appliance.domain.batch import (
        Batch,
        QualityColumn,
        StatusColumn,
        TagColumn,
        TimeColumn,
        ValueColumn,
    )

_FAST, _SMALL = 1, 3
_SERVER_TIME = 1
"""Section: the second time of rows that have one."""
_SEGMENT_LAYOUT = (("<u4", 4), ("<i8", 8), ("<f8", 8), ("u1", 1), ("<u4", 4))


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of one tag, ordered by time; equal times keep the order of delivery.

    `server_time_ns` is None where no row has one; 0 in a row without.
    """

    source_time_ns: TimeColumn
    value: ValueColumn
    quality: QualityColumn
    status: StatusColumn
    server_time_ns: TimeColumn | None = None

    def __len__(self) -> int:
        return len(self.source_time_ns)

    def ordered(self) -> Columns:
        """Return the rows in the order of their times (stable)."""
        if (self.source_time_ns[1:] >= self.source_time_ns[:-1]).all():
            return self
        return self.at(np.argsort(self.source_time_ns, kind="stable"))

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Columns:
        """Return the chosen rows."""
        server = self.server_time_ns
        return Columns(
            self.source_time_ns[rows],
            self.value[rows],
            self.quality[rows],
            self.status[rows],
            None if server is None else _known(server[rows]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Rows of many tags in the order of delivery."""

    tag: TagColumn
    columns: Columns

    def of(self, tag: int) -> Columns:
        """Return one tag's rows."""
        return self.columns.at(self.tag == tag)


def stacked(parts: Sequence[Columns | Batch]) -> Columns:
    """Return the rows of all parts, one after the other."""
    return Columns(
        np.concatenate([np.empty(0, np.int64), *(p.source_time_ns for p in parts)]),
        np.concatenate([np.empty(0, np.float64), *(p.value for p in parts)]),
        np.concatenate([np.empty(0, np.uint8), *(p.quality for p in parts)]),
        np.concatenate([np.empty(0, np.uint32), *(p.status for p in parts)]),
        _stacked_server_times(parts),
    )


def segment_of(batches: Sequence[Batch]) -> Segment:
    """Return the rows of batches in the order of delivery."""
    return Segment(np.concatenate([each.tag for each in batches]), stacked(batches))


def pack_segment(segment: Segment) -> bytes:
    """Return the sealed block of a segment: byte planes and a fast zstd."""
    rows = segment.columns
    given = (segment.tag, rows.source_time_ns, rows.value, rows.quality, rows.status)
    planes = b"".join(
        np.ascontiguousarray(column, kind).view(np.uint8).reshape(-1, width).T.tobytes()
        for column, (kind, width) in zip(given, _SEGMENT_LAYOUT, strict=True)
    )
    out = Packer(zstandard.ZstdCompressor(level=_FAST))
    out.block(planes)
    _pack_server_times(out, rows)
    return seal(out.content())


def unpack_segment(sealed: bytes, rows: int) -> Segment:
    """Return a segment.

    Raises:
        DamagedError: Not what was written.
    """
    width = sum(each for _, each in _SEGMENT_LAYOUT)
    source = Codec().unpacker(sealed)
    plain = source.block(width * rows)
    columns: list[NDArray[np.generic]] = []
    start = 0
    for kind, each in _SEGMENT_LAYOUT:
        planes = np.frombuffer(plain, np.uint8, each * rows, start)
        columns.append(
            np.ascontiguousarray(planes.reshape(each, rows).T).reshape(-1).view(kind)
        )
        start += each * rows
    tag, time_ns, value, quality, status = columns
    times = time_ns.astype(np.int64)
    return Segment(
        tag.astype(np.uint32),
        Columns(
            times,
            value.view(np.float64),
            quality.astype(np.uint8),
            status.astype(np.uint32),
            _unpack_server_times(source, times),
        ),
    )


class Codec:
    """Packs and unpacks chunks with one zstd context; belongs to one thread."""

    def __init__(self) -> None:
        self._small = zstandard.ZstdCompressor(level=_SMALL)
        self._plain = zstandard.ZstdDecompressor()

    def packer(self) -> Packer:
        """Return an empty block."""
        return Packer(self._small)

    def unpacker(self, sealed: bytes) -> Unpacker:
        """Return a sealed block for reading.

        Raises:
            DamagedError: Not what was written.
        """
        return Unpacker(unseal(sealed), self._plain)

    def pack_times(self, times: TimeColumn) -> bytes:
        """Return the sealed block of a column of times."""
        out = self.packer()
        pack_integers(out, times)
        return seal(out.content())

    def unpack_times(self, sealed: bytes, rows: int) -> TimeColumn:
        """Return the times. Raises DamagedError."""
        return unpack_integers(self.unpacker(sealed), rows)

    def pack_values(self, columns: Columns) -> bytes:
        """Return the sealed block of everything but the times."""
        out = self.packer()
        _pack_values(out, columns)
        return seal(out.content())

    def unpack_values(self, sealed: bytes, times: TimeColumn) -> Columns:
        """Return the columns that belong to these times. Raises DamagedError."""
        return _unpack_values(self.unpacker(sealed), times)

    def pack_rows(self, columns: Columns) -> bytes:
        """Return the sealed block of rows with times of their own."""
        out = self.packer()
        pack_integers(out, columns.source_time_ns)
        _pack_values(out, columns)
        return seal(out.content())

    def unpack_rows(self, sealed: bytes, rows: int) -> Columns:
        """Return the rows. Raises DamagedError."""
        source = self.unpacker(sealed)
        return _unpack_values(source, unpack_integers(source, rows))

    def pack_points(self, points: NDArray[np.float32]) -> bytes:
        """Return the sealed block of a waveform: byte planes, each zstd."""
        out = self.packer()
        planes = np.ascontiguousarray(points, "<f4").view(np.uint8).reshape(-1, 4)
        for plane in range(4):
            out.block(planes[:, plane].tobytes())
        return seal(out.content())

    def unpack_points(self, sealed: bytes, count: int) -> NDArray[np.float32]:
        """Return the points of a waveform. Raises DamagedError."""
        source = self.unpacker(sealed)
        planes = np.empty((count, 4), np.uint8)
        for plane in range(4):
            planes[:, plane] = np.frombuffer(source.block(count), np.uint8)
        return planes.reshape(-1).view("<f4").astype(np.float32, copy=False)


def _pack_values(out: Packer, columns: Columns) -> None:
    pack_floats(out, columns.value)
    pack_integers(out, columns.quality.astype(np.int64))
    pack_integers(out, columns.status.astype(np.int64))
    _pack_server_times(out, columns)


def _unpack_values(source: Unpacker, times: TimeColumn) -> Columns:
    rows = len(times)
    value = unpack_floats(source, rows)
    quality = unpack_integers(source, rows)
    status = unpack_integers(source, rows)
    return Columns(
        times,
        value,
        quality.astype(np.uint8),
        status.astype(np.uint32),
        _unpack_server_times(source, times),
    )


def _known(server: TimeColumn) -> TimeColumn | None:
    """Return the column, or None where no row has the time."""
    return server if server.any() else None


def _stacked_server_times(parts: Sequence[Columns | Batch]) -> TimeColumn | None:
    if all(part.server_time_ns is None for part in parts):
        return None
    return _known(
        np.concatenate(
            [
                np.zeros(len(part), np.int64)
                if part.server_time_ns is None
                else part.server_time_ns
                for part in parts
            ]
        )
    )


def _pack_server_times(out: Packer, columns: Columns) -> None:
    """Append which rows have one, and how much later than at the source it was."""
    server = columns.server_time_ns
    if server is None or not server.any():
        return
    there = server != 0
    out.number(_SERVER_TIME)
    pack_integers(out, there.astype(np.int64))
    pack_integers(out, server[there] - columns.source_time_ns[there])


def _unpack_server_times(source: Unpacker, times: TimeColumn) -> TimeColumn | None:
    if source.at_end:
        return None
    section = source.number()
    if section != _SERVER_TIME:
        raise DamagedError(f"section {section} is unknown; is it of a newer release?")
    there = unpack_integers(source, len(times)).astype(bool)
    server = np.zeros(len(times), np.int64)
    server[there] = times[there] + unpack_integers(source, int(there.sum()))
    return server
