"""One notification message to one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from appliance.domain.batch import Batch, Text, Waveform, batch_of, judged
from appliance.domain.sample import quality_of_status
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
    server_time_ns,
    source_time_ns,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asyncua import ua

    from appliance.domain.tag import Tag
    from connectors.opcua.picking import Pick

Points: TypeAlias = NDArray[np.float32]

OVERFLOW = 0x0000_0480
"""InfoType DataValue, bit Overflow (Part 4, 7.39): values were lost on the way."""


@dataclass(frozen=True, slots=True)
class Item:
    """A monitored item: the tag, its number, and the rate if it is a waveform.

    `pick` takes the part of an array or structure that the tag is.
    """

    tag: Tag
    number: int
    sample_rate_hz: float | None = None
    pick: Pick | None = None


@dataclass(slots=True)
class _Rows:
    """Columns in the making."""

    number: list[int] = field(default_factory=list)
    time_ns: list[int] = field(default_factory=list)
    server_time_ns: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    waveforms: list[Waveform] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def add(
        self, item: Item, times_ns: tuple[int, int], *, value: float, status: int
    ) -> None:
        self.number.append(item.number)
        self.time_ns.append(times_ns[0])
        self.server_time_ns.append(times_ns[1])
        self.value.append(value)
        self.status.append(status)
        self.low.append(item.tag.range_low)
        self.high.append(item.tag.range_high)


def decode(
    changes: Iterable[ua.MonitoredItemNotification],
    items: Mapping[int, Item],
    *,
    group: str,
    receive_ns: int,
) -> Batch:
    """Return all changes of one message; `items` is by client handle.

    A value with a bad status is bad, whatever it is. One that is out of its range
    or no number is bad, whatever the server says.
    """
    rows = _Rows()
    for change in changes:
        item = items.get(change.ClientHandle)
        if item is not None:
            _add(rows, item, change.Value, receive_ns)
    value = np.array(rows.value, dtype=np.float64)
    quality, status = judged(
        value,
        np.array(rows.status, dtype=np.uint32),
        low=np.array(rows.low, dtype=np.float64),
        high=np.array(rows.high, dtype=np.float64),
    )
    return batch_of(
        rows.number,
        value,
        source_time_ns=rows.time_ns,
        server_time_ns=rows.server_time_ns,
        receive_time_ns=receive_ns,
        quality=quality,
        status=status,
        group=group,
        waveforms=tuple(rows.waveforms),
        texts=tuple(rows.texts),
    )


def overflows(changes: Iterable[ua.MonitoredItemNotification]) -> int:
    """Return how many values say that others before them were lost in the server."""
    return sum(status_of(change.Value) & OVERFLOW == OVERFLOW for change in changes)


def _add(rows: _Rows, item: Item, given: ua.DataValue, receive_ns: int) -> None:
    status = status_of(given)
    time_ns = source_time_ns(given, receive_ns)
    times_ns = (time_ns, server_time_ns(given))
    content = None if given.Value is None else given.Value.Value
    if item.pick is not None:
        content, status = item.pick(content, status)
    if item.sample_rate_hz is not None and is_array(content):
        points = points_of(content)
        rows.waveforms.append(burst(item, points, time_ns=time_ns, status=status))
        return
    match plain(content):
        case float() as value:
            rows.add(item, times_ns, value=value, status=status)
        case str() | int() as text:
            quality = quality_of_status(status)
            rows.texts.append(Text(item.number, time_ns, text, quality, status))
        case None:
            missing = (
                STATUS_BAD_NO_DATA if content is None else STATUS_BAD_TYPE_MISMATCH
            )
            final = status if status >> 31 else missing
            rows.add(item, times_ns, value=math.nan, status=final)


def burst(item: Item, points: Points | None, *, time_ns: int, status: int) -> Waveform:
    """Return a waveform, judged as a whole; without points it is bad."""
    if points is None or not len(points):
        points, status = np.zeros(0, np.float32), status or STATUS_BAD_TYPE_MISMATCH
    else:
        # One look at both extremes judges the whole burst.
        extremes = np.array([points.min(), points.max()], dtype=np.float64)
        _, judgement = judged(
            extremes,
            np.full(2, status, dtype=np.uint32),
            low=item.tag.range_low,
            high=item.tag.range_high,
        )
        status = int(judgement.max())
    assert item.sample_rate_hz is not None
    return Waveform(
        tag=item.number,
        start_ns=time_ns,
        sample_rate_hz=item.sample_rate_hz,
        points=points,
        quality=quality_of_status(status),
        status=status,
    )


def is_array(content: object) -> TypeGuard[list[object] | Points]:
    """Say whether the value is an array."""
    return isinstance(content, list | np.ndarray)


def points_of(content: list[object] | Points) -> Points | None:
    """Return the points, or None where they are no plain list of numbers."""
    if isinstance(content, np.ndarray):
        return content
    if not all(isinstance(each, int | float) for each in content):
        return None
    with np.errstate(over="ignore"):
        return np.asarray(content, dtype=np.float32)
