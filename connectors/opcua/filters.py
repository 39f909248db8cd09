"""Changes too small to be told: asked of the server, and done here if it will not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.batch import Batch
    from connectors.opcua.tags import OpcuaTagSettings

REFUSALS: Final = frozenset(
    {
        ua.StatusCodes.BadDeadbandFilterInvalid,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadFilterNotAllowed,
    }
)
"""By these a server refuses the filter, not the node."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What to ask of the server, and what is then left to do here.

    `kind` is `none`, `absolute`, `percent`, or `bare`: no filter in the request at all.
    `here` is the deadband that we apply ourselves, in engineering units.
    """

    kind: str
    size: float = 0.0
    here: float | None = None

    def request(self) -> ua.DataChangeFilter | None:
        """Return the filter as the protocol wants it."""
        if self.kind == "bare":
            return None
        kinds = {
            "none": ua.DeadbandType.None_,
            "absolute": ua.DeadbandType.Absolute,
            "percent": ua.DeadbandType.Percent,
        }
        return ua.DataChangeFilter(
            Trigger=ua.DataChangeTrigger.StatusValue,
            DeadbandType=ua.UInt32(kinds[self.kind]),
            DeadbandValue=ua.Double(self.size),
        )

    def words(self) -> str:
        """Say what became of the deadband that was wished for."""
        if self.here is not None:
            return f"a deadband of {self.here:g} is applied here instead"
        if self.kind == "absolute":
            return f"an absolute deadband of {self.size:g} instead"
        return "every change is told"


def filters_of(
    tag: OpcuaTagSettings, eu_range: tuple[float, float] | None
) -> tuple[Filter, ...]:
    """Return what to ask for, and what instead if it is refused, best first."""
    size = deadband_of(tag, eu_range)
    wished: list[Filter] = []
    if tag.deadband_pct is not None:
        wished.append(Filter("percent", tag.deadband_pct))
    if size is not None:
        wished.append(Filter("absolute", size))
    return (*wished, Filter("none", here=size), Filter("bare", here=size))


def deadband_of(
    tag: OpcuaTagSettings, eu_range: tuple[float, float] | None
) -> float | None:
    """Return the deadband in engineering units, None where there is none to be had.

    A percentage is of the server's range, or else of the configured one.
    """
    if tag.deadband is not None or tag.deadband_pct is None:
        return tag.deadband
    low, high = tag.range_low, tag.range_high
    if eu_range is None and (low is None or high is None):
        return None
    span = eu_range[1] - eu_range[0] if eu_range else (high or 0.0) - (low or 0.0)
    return tag.deadband_pct / 100 * span if span > 0 else None


class DeadbandHere:
    """Leaves out what a server that knows no deadband tells too much of.

    A row is told if its status changed or its value moved by more than the deadband
    since the last row that was told.
    """

    def __init__(self) -> None:
        self._size: dict[int, float] = {}
        self._told: dict[int, tuple[float, int]] = {}

    def set(self, sizes: Mapping[int, float | None]) -> None:
        """Say which tags, by number, have which deadband here; None: no more."""
        for number, size in sizes.items():
            self._told.pop(number, None)
            self._size.pop(number, None)
            if size is not None:
                self._size[number] = size

    def sift(self, batch: Batch) -> Batch:
        """Return the batch without the rows that changed too little."""
        if not self._size or not len(batch):
            return batch
        keep = np.ones(len(batch), np.bool_)
        ours = np.isin(batch.tag, np.fromiter(self._size, np.uint32))
        for row in np.flatnonzero(ours).tolist():
            keep[row] = self._tells(
                int(batch.tag[row]), float(batch.value[row]), int(batch.status[row])
            )
        return batch if keep.all() else batch.where(keep)

    def _tells(self, number: int, value: float, status: int) -> bool:
        told = self._told.get(number)
        # Written so that a value that is no number is told.
        if (
            told is not None
            and told[1] == status
            and abs(value - told[0]) <= self._size[number]
        ):
            return False
        self._told[number] = (value, status)
        return True
