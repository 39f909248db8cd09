"""One notification message to one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import Batch, Text, Waveform, batch_of, judged
from appliance.domain.sample import quality_of_status
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
    source_time_ns,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncua import ua

    from appliance.domain.tag import Tag

_OVERFLOW = 0x0000_0480
"""InfoType DataValue, bit Overflow (Part 4, 7.39): values were lost on the way."""


@dataclass(frozen=True, slots=True)
class Item:
    """A monitored item: the tag, its number, and the rate if it is a waveform."""

    tag: Tag
    number: int
    sample_rate_hz: float | None = None


@dataclass(slots=True)
class _Rows:
    """Columns in the making."""

    number: list[int] = field(default_factory=list)
    time_ns: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    waveforms: list[Waveform] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def add(self, item: Item, time_ns: int, value: float, status: int) -> None:
        self.number.append(item.number)
        self.time_ns.append(time_ns)
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
        receive_time_ns=receive_ns,
        quality=quality,
        status=status,
        group=group,
        waveforms=tuple(rows.waveforms),
        texts=tuple(rows.texts),
    )


def overflows(changes: Iterable[ua.MonitoredItemNotification]) -> int:
    """Return how many values say that others before them were lost in the server."""
    return sum(status_of(change.Value) & _OVERFLOW == _OVERFLOW for change in changes)


def _add(rows: _Rows, item: Item, given: ua.DataValue, receive_ns: int) -> None:
    status = status_of(given)
    time_ns = source_time_ns(given, receive_ns)
    content = None if given.Value is None else given.Value.Value
    if item.sample_rate_hz is not None and isinstance(content, list):
        rows.waveforms.append(_waveform(item, content, time_ns=time_ns, status=status))
        return
    match plain(content):
        case float() as value:
            rows.add(item, time_ns, value, status)
        case str() | int() as text:
            quality = quality_of_status(status)
            rows.texts.append(Text(item.number, time_ns, text, quality, status))
        case None:
            missing = (
                STATUS_BAD_NO_DATA if content is None else STATUS_BAD_TYPE_MISMATCH
            )
            bad = status >> 31 != 0
            rows.add(item, time_ns, math.nan, status if bad else missing)


def _waveform(
    item: Item, content: Sequence[float], *, time_ns: int, status: int
) -> Waveform:
    points = _points(content)
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


def _points(
    content: Sequence[float],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    try:
        points = np.asarray(content, dtype=np.float32)
    except (TypeError, ValueError):
        return None
    return points if points.ndim == 1 else None
