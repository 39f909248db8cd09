"""Suppression by design: a state of the plant in which an alarm means nothing.

Only what is proved suppresses: a good value of the declared tag. Where its quality is
bad, or nobody has confirmed it for too long, the alarm is announced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import Quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.alarms.watch import Place, Watch
    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId


@dataclass(frozen=True, slots=True)
class PlantState:
    """`tag` is above, below, or equal to; every limit that is given must hold."""

    tag: TagId
    above: float | None = None
    below: float | None = None
    equals: float | None = None

    def holds(self, value: float, quality: Quality) -> bool:
        """Whether the plant is proved to be in this state."""
        if quality is not Quality.GOOD:
            return False
        above = self.above is None or value > self.above
        below = self.below is None or value < self.below
        equals = self.equals is None or value == self.equals
        return above and below and equals and value == value  # noqa: PLR0124 - not NaN

    def __str__(self) -> str:
        limits = (("above", self.above), ("below", self.below), ("=", self.equals))
        said = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
        return f"{self.tag} {' and '.join(said)}"


class Suppressions:
    """Which alarms the state of the plant suppresses."""

    def __init__(
        self, watches: Sequence[Watch], places: Mapping[TagId, Place], *, now_s: float
    ) -> None:
        self._by_tag: dict[int, list[tuple[Watch, PlantState]]] = {}
        self._place: dict[int, Place] = {}
        for watch in watches:
            state = watch.suppression
            if state is not None:
                place = places[state.tag]
                self._place[place.number] = place
                self._by_tag.setdefault(place.number, []).append((watch, state))
        self._confirmed_s = dict.fromkeys(
            (place.group for place in self._place.values()), now_s
        )
        self._numbers = np.array(sorted(self._by_tag), dtype=np.int64)

    def take(self, batch: Batch, *, now_s: float) -> Iterator[tuple[Watch, bool, str]]:
        """Yield (alarm, whether it is suppressed now, why) for what changes."""
        if batch.confirms and batch.group in self._confirmed_s:
            self._confirmed_s[batch.group] = now_s
        if not len(self._numbers):
            return
        newest = {}
        for row in np.flatnonzero(np.isin(batch.tag, self._numbers)).tolist():
            newest[int(batch.tag[row])] = row
        for number, row in newest.items():
            value, quality = float(batch.value[row]), Quality(int(batch.quality[row]))
            for watch, state in self._by_tag[number]:
                held = state.holds(value, quality)
                if held is not watch.life.suppressed:
                    yield watch, held, str(state)

    def tick(self, *, now_s: float) -> Iterator[tuple[Watch, bool, str]]:
        """Yield the alarms whose state of the plant nobody confirms any more."""
        for number, place in self._place.items():
            if now_s - self._confirmed_s[place.group] <= place.stale_after_s:
                continue
            for watch, state in self._by_tag[number]:
                if watch.life.suppressed:
                    yield watch, False, f"{state.tag} is stale"
