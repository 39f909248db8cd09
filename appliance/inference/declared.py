"""The modes that the configuration tells, as a map."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from models.modes import ModeBox, ModeMap, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.config import ModesSettings
    from appliance.domain.tag import Tag

_HALF = 0.5  # on either side of a value, where no other is nearer
_STEADY_PART = 0.05  # of the range, or of the highest limit


def declared_map(modes: ModesSettings, tag: Tag | None) -> ModeMap | None:
    """Return the map of modes that a tag tells; None where they are to be learned.

    `tag` is that tag, for its range.
    """
    if modes.tag is None:
        return None
    if modes.values:
        half = _half_distance(sorted(modes.values.values()))
        boxes = tuple(
            ModeBox(name, (Span(value - half, value + half),))
            for name, value in modes.values.items()
        )
        steady = half
    else:
        boxes = tuple(_bands(modes.limits))
        steady = _STEADY_PART * _width(modes.limits, tag)
    return ModeMap(
        boxes=boxes,
        tags=(modes.tag,),
        steady=(steady,),
        slack=(steady / 2.0,),
        dwell_s=modes.dwell_s,
    )


def _half_distance(values: Sequence[float]) -> float:
    nearest = min((b - a for a, b in itertools.pairwise(values)), default=math.inf)
    return min(_HALF, nearest / 2.0)


def _bands(limits: Sequence[float]) -> Iterator[ModeBox]:
    yield ModeBox(f"below {limits[0]:g}", (Span(None, limits[0]),))
    for low, high in itertools.pairwise(limits):
        yield ModeBox(f"{low:g} to {high:g}", (Span(low, high),))
    yield ModeBox(f"from {limits[-1]:g}", (Span(limits[-1], None),))


def _width(limits: Sequence[float], tag: Tag | None) -> float:
    width = math.inf if tag is None else tag.range_high - tag.range_low
    return width if math.isfinite(width) else max(map(abs, limits)) or 1.0
