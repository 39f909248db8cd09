"""What is usual of the instruments themselves: learned beside the model, told with it.

An instrument is accused only of what a machine cannot do: to stand still where it
always had noise, to jump and be back with the next value, to leave its twins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CrossCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tag's mean as a weighted sum of its peers' means.

    Valid while every peer is within `low` and `high`; `limit` is how far off (in the
    tag's units) has not been seen in the healthy period.
    """

    peers: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    limit: float


class SensorCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tag: its least and its widest movement within a window of a healthy period.

    `still_s` is the longest time it stood still (with all its digits), `None` where it
    did so too often to be a sign; `std_low` is 0 where no noise can be missed, and
    `range_high` None where a jump may be the machine's.
    """

    tag: str
    std_low: float = 0.0
    range_high: float | None = None
    still_s: float | None = None
    check: CrossCheck | None = None


class Twins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tags that measure the same: each one's usual offset from the middle of all.

    `limit` is how far from the middle of the others, offsets taken out, is too far, at
    the level of the healthy period; a part of the level is added to it.
    """

    tags: tuple[str, ...]
    offsets: tuple[float, ...]
    limit: float


class StandIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the features of a broken instrument would be, going by all the others.

    The directions `axes` [k, features] in which the mode's rows vary, as (value -
    centre) / scale, each with its `variance`; `rest` is the variance across them
    (Tipping and Bishop 1999).
    """

    features: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    variance: tuple[float, ...]
    rest: float

    def filled(
        self, row: NDArray[np.float64], missing: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return a row with what is missing put in as the others make it likely."""
        center, scale = np.array(self.center), np.array(self.scale)
        axes = np.array(self.axes).reshape(len(self.axes), len(row))
        off = np.where(missing, 0.0, (row - center) / scale)
        seen = axes[:, ~missing]
        precision = seen @ seen.T / self.rest + np.diag(1.0 / np.array(self.variance))
        place = np.linalg.solve(precision, seen @ off[~missing] / self.rest)
        likely = center + scale * (place @ axes)
        return np.where(missing, likely, row)


class Sensors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known of an asset's instruments; the default knows nothing.

    `stand_ins` by the number of the mode; `not_checked` with the reason.
    """

    cards: tuple[SensorCard, ...] = ()
    twins: tuple[Twins, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()
    not_checked: dict[str, str] = {}
