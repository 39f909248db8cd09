"""Columns ↔ compressed blocks, exactly. Pure; no database.

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
from appliance.storage.packing import Packer, Unpacker, seal, unseal

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
_SEGMENT_LAYOUT = (("<u4", 4), ("<i8", 8), ("<f8", 8), ("u1", 1), ("<u4", 4))


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of one tag, ordered by time; equal times keep the order of delivery."""

    source_time_ns: TimeColumn
    value: ValueColumn
    quality: QualityColumn
    status: StatusColumn

    def __len__(self) -> int:
        return len(self.source_time_ns)

    def ordered(self) -> Columns:
        """Return the rows in the order of their times (stable)."""
        if (self.source_time_ns[1:] >= self.source_time_ns[:-1]).all():
            return self
        return self.at(np.argsort(self.source_time_ns, kind="stable"))

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Columns:
        """Return the chosen rows."""
        return Columns(
            self.source_time_ns[rows],
            self.value[rows],
            self.quality[rows],
            self.status[rows],
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
    return seal(out.content())


def unpack_segment(sealed: bytes, rows: int) -> Segment:
    """Return a segment.

    Raises:
        DamagedError: Not what was written.
    """
    width = sum(each for _, each in _SEGMENT_LAYOUT)
    plain = Codec().unpacker(sealed).block(width * rows)
    columns: list[NDArray[np.generic]] = []
    start = 0
    for kind, each in _SEGMENT_LAYOUT:
        planes = np.frombuffer(plain, np.uint8, each * rows, start)
        columns.append(
            np.ascontiguousarray(planes.reshape(each, rows).T).reshape(-1).view(kind)
        )
        start += each * rows
    tag, time_ns, value, quality, status = columns
    return Segment(
        tag.astype(np.uint32),
        Columns(
            time_ns.astype(np.int64),
            value.view(np.float64),
            quality.astype(np.uint8),
            status.astype(np.uint32),
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
        pack_floats(out, columns.value)
        pack_integers(out, columns.quality.astype(np.int64))
        pack_integers(out, columns.status.astype(np.int64))
        return seal(out.content())

    def unpack_values(self, sealed: bytes, times: TimeColumn) -> Columns:
        """Return the columns that belong to these times. Raises DamagedError."""
        source = self.unpacker(sealed)
        rows = len(times)
        value = unpack_floats(source, rows)
        quality = unpack_integers(source, rows)
        status = unpack_integers(source, rows)
        return Columns(times, value, quality.astype(np.uint8), status.astype(np.uint32))

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
