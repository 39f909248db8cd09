"""Rows of a table to one batch: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import batch_of, judged
from connectors.replay.cells import NoTimeError, time_ns, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.tag import Tag


@dataclass(frozen=True, slots=True)
class Moment:
    """One row: its time, and one value per tag (None where nothing was recorded)."""

    time_ns: int
    values: Sequence[float | None]


class Columns:
    """Where the time and the tags stand in a row.

    `at` is the position of each tag's column. Rows without a time are counted in
    `unreadable` and left out.
    """

    def __init__(
        self,
        tags: Sequence[Tag],
        numbers: Sequence[int],
        at: Sequence[int],
        *,
        time_at: int,
        time_format: str | None = None,
        decimal_comma: bool = False,
    ) -> None:
        self.unreadable = 0
        self._numbers = np.array(numbers, dtype=np.uint32)
        self._low = np.array([tag.range_low for tag in tags])
        self._high = np.array([tag.range_high for tag in tags])
        self._at = at
        self._time_at = time_at
        self._time_format = time_format
        self._decimal_comma = decimal_comma

    def moments(self, rows: Iterable[Sequence[object]]) -> Iterator[Moment]:
        """Yield what the rows say, in their order."""
        for row in rows:
            try:
                cell = _cell(row, self._time_at)
                when_ns = time_ns(cell, self._time_format)
            except NoTimeError:
                self.unreadable += 1
                continue
            values = [
                value_of(_cell(row, at), decimal_comma=self._decimal_comma)
                for at in self._at
            ]
            yield Moment(when_ns, values)

    def batch(
        self, moments: Sequence[Moment], *, shift_ns: int, group: str, receive_ns: int
    ) -> Batch:
        """Return the recorded values of some moments; it confirms if none is missing.

        A tag is missing if it has no value at all in these moments.
        """
        given = [
            [math.nan if v is None else v for v in each.values] for each in moments
        ]
        recorded = np.array([[v is not None for v in each.values] for each in moments])
        value = np.array(given, dtype=np.float64)
        shape = value.shape
        quality, status = judged(
            value.ravel(),
            np.zeros(value.size, dtype=np.uint32),
            low=np.broadcast_to(self._low, shape).ravel(),
            high=np.broadcast_to(self._high, shape).ravel(),
        )
        times_ns = np.array([each.time_ns for each in moments], dtype=np.int64)
        whole = batch_of(
            np.broadcast_to(self._numbers, shape).ravel(),
            value.ravel(),
            source_time_ns=np.repeat(times_ns + shift_ns, shape[1]),
            receive_time_ns=receive_ns,
            quality=quality,
            status=status,
            group=group,
            confirms=bool(recorded.any(axis=0).all()),
        )
        return whole.where(recorded.ravel())


def _cell(row: Sequence[object], at: int) -> object:
    return row[at] if at < len(row) else None
