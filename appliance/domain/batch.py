"""Batch: the values of one delivery as columns. Everything that moves is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance.domain.sample import (
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    Quality,
    Sample,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

    from appliance.domain.tag import TagId

_Kind = TypeVar("_Kind", bound=np.generic)

TagColumn: TypeAlias = NDArray[np.uint32]
TimeColumn: TypeAlias = NDArray[np.int64]
ValueColumn: TypeAlias = NDArray[np.float64]
QualityColumn: TypeAlias = NDArray[np.uint8]
StatusColumn: TypeAlias = NDArray[np.uint32]

_QUALITY_OF_SEVERITY: QualityColumn = np.array(
    [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD], dtype=np.uint8
)
"""By the two severity bits of a StatusCode (see `quality_of_status`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A burst of one tag: equidistant points in engineering units (float32).

    `start_ns` is the source time of the first point (UTC).
    """

    tag: int
    start_ns: int
    sample_rate_hz: float
    points: NDArray[np.float32]
    quality: Quality = Quality.GOOD
    status: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A string, or an integer beyond 2**53, which a float could not hold exactly."""

    tag: int
    source_time_ns: int
    content: str | int
    quality: Quality = Quality.GOOD
    status: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Columns of equal length, one row per sample, in the order of delivery.

    `tag` holds tag numbers (the hub gives them). `group` names the poll group or
    subscription; a batch that `confirms` says that every tag of its group was
    known to be current at `receive_time_ns`, so an empty one is a keep-alive.
    `historical` rows fill a gap and confirm nothing. `server_time_ns` is there where
    the protocol has a second time (OPC UA: when the server got to know it); 0 in a row
    without.
    """

    tag: TagColumn
    source_time_ns: TimeColumn
    value: ValueColumn
    quality: QualityColumn
    status: StatusColumn
    receive_time_ns: int
    historical: bool = False
    group: str = ""
    confirms: bool = True
    waveforms: tuple[Waveform, ...] = ()
    texts: tuple[Text, ...] = ()
    server_time_ns: TimeColumn | None = None

    def __post_init__(self) -> None:
        rows = len(self.tag)
        server = (
            self.source_time_ns if self.server_time_ns is None else self.server_time_ns
        )
        columns = (self.source_time_ns, self.value, self.quality, self.status, server)
        if any(len(column) != rows for column in columns):
            raise ValueError("the columns of a batch differ in length")

    def __len__(self) -> int:
        return len(self.tag)

    @property
    def sample_count(self) -> int:
        """Rows, waveforms and texts together: what the conservation law counts."""
        return len(self.tag) + len(self.waveforms) + len(self.texts)

    def where(self, mask: NDArray[np.bool_]) -> Batch:
        """Return the rows for which the mask holds; waveforms and texts stay."""
        server_time_ns = self.server_time_ns
        return replace(
            self,
            tag=self.tag[mask],
            source_time_ns=self.source_time_ns[mask],
            value=self.value[mask],
            quality=self.quality[mask],
            status=self.status[mask],
            server_time_ns=None if server_time_ns is None else server_time_ns[mask],
        )


def batch_of(
    tags: Sequence[int] | TagColumn,
    values: Sequence[float] | ValueColumn,
    *,
    source_time_ns: int | Sequence[int] | TimeColumn,
    receive_time_ns: int,
    quality: int | Sequence[int] | QualityColumn = Quality.GOOD,
    status: int | Sequence[int] | StatusColumn = 0,
    group: str = "",
    confirms: bool = True,
    historical: bool = False,
    waveforms: tuple[Waveform, ...] = (),
    texts: tuple[Text, ...] = (),
    server_time_ns: int | Sequence[int] | TimeColumn | None = None,
) -> Batch:
    """Build a batch, spreading scalars over all rows."""
    rows = len(tags)
    server = server_time_ns
    return Batch(
        tag=np.asarray(tags, dtype=np.uint32),
        source_time_ns=_spread(source_time_ns, rows, np.int64),
        value=np.asarray(values, dtype=np.float64),
        quality=_spread(quality, rows, np.uint8),
        status=_spread(status, rows, np.uint32),
        receive_time_ns=receive_time_ns,
        historical=historical,
        group=group,
        confirms=confirms,
        waveforms=waveforms,
        texts=texts,
        server_time_ns=None if server is None else _spread(server, rows, np.int64),
    )


def keep_alive(group: str, receive_time_ns: int) -> Batch:
    """Return the batch without rows that confirms every tag of a group."""
    return batch_of(
        [], [], source_time_ns=0, receive_time_ns=receive_time_ns, group=group
    )


def bad_batch(
    tags: Sequence[int], status: int, *, time_ns: int, group: str = ""
) -> Batch:
    """Return one bad row per tag: the gap made visible. It confirms nothing."""
    return batch_of(
        tags,
        np.full(len(tags), np.nan),
        source_time_ns=time_ns,
        receive_time_ns=time_ns,
        quality=Quality.BAD,
        status=status,
        group=group,
        confirms=False,
    )


def judged(
    value: ValueColumn,
    status: StatusColumn,
    *,
    low: float | ValueColumn,
    high: float | ValueColumn,
) -> tuple[QualityColumn, StatusColumn]:
    """Return quality and status after the checks every source owes its values.

    A row that is not already bad becomes so if its value is not finite or lies
    outside `[low, high]`: `Scaling.apply` and `quality_of_status` for columns.
    """
    inside = (value >= low) & (value <= high)
    checked = np.where(inside, status, np.uint32(STATUS_BAD_OUT_OF_RANGE))
    checked[~np.isfinite(value)] = STATUS_BAD_NOT_A_NUMBER
    final = np.where(status >> 31 != 0, status, checked).astype(np.uint32)
    return _QUALITY_OF_SEVERITY[final >> 30], final


def samples_of(batch: Batch, names: Mapping[int, TagId]) -> Iterator[Sample]:
    """Yield the rows as samples, for rules and people; unknown numbers are skipped."""
    server = batch.server_time_ns
    for row in range(len(batch)):
        name = names.get(int(batch.tag[row]))
        if name is None:
            continue
        server_ns = 0 if server is None else int(server[row])
        yield Sample(
            tag=name,
            value=float(batch.value[row]),
            quality=Quality(int(batch.quality[row])),
            status=int(batch.status[row]),
            source_time_ns=int(batch.source_time_ns[row]),
            receive_time_ns=batch.receive_time_ns,
            server_time_ns=server_ns or None,
        )


def _spread(given: ArrayLike, rows: int, kind: type[_Kind]) -> NDArray[_Kind]:
    column = np.asarray(given, dtype=kind)
    return np.full(rows, column, dtype=kind) if column.ndim == 0 else column
