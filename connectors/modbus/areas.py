"""Which addresses a table has, found with few questions. Pure but for the asking.

Most devices have a few areas without holes, which begin at round numbers. From a seed
that answers, an area is followed both ways by blocks that double while they are given
and halve when they are not; what lies a little behind its end is looked for once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from connectors.modbus.notation import ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterable

Gives: TypeAlias = Callable[[int, int], Awaitable[bool]]
"""Whether the device gives `count` addresses from `address` on, in one request."""

SEEDS: Final = (
    0, 1, 10, 16, 32, 64, 100, 128, 200, 256, 300, 400, 500, 512, 600, 700, 768, 800,
    900, 999, 1000, 1024, 1100, 1200, 1500, 2000, 2048, 2500, 2999, 3000, 3072, 3500,
    3999, 4000, 4096, 4500, 5000, 6000, 7000, 8000, 8192, 9000, 9999, 10_000, 12_288,
    16_384, 20_000, 24_576, 30_000, 32_768, 36_864, 40_000, 40_960, 45_056, 49_152,
    50_000, 53_248, 57_344, 60_000, 61_440, 65_535,
)  # fmt: skip
"""Where devices begin their areas."""

_HOPS: Final = (1, 2, 4, 8, 16, 32)
"""How far behind an end the next area may begin and still be found."""


@dataclass(slots=True)
class Area:
    """Addresses that the device has, from `address` to before `end`."""

    address: int
    end: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.end - self.address


class Surveyor:
    """Finds the areas of one table; `areas` holds them, also when asking was cut off.

    `longest` is how many addresses one request may ask: less when the device taught
    so. `most` addresses are enough; then `is_cut` says that there may be more.
    """

    def __init__(
        self, gives: Gives, *, longest: int, most: int, within: range | None = None
    ) -> None:
        self.areas: list[Area] = []
        self.longest = longest
        self.is_cut = False
        self._gives = gives
        self._most = most
        self._within = range(ADDRESSES) if within is None else within

    async def survey(self, seeds: Iterable[int] = SEEDS) -> None:
        """Look around every seed.

        Raises:
            Exception: What the asking raises.
        """
        begin = self._within.start
        ahead = deque(dict.fromkeys((begin, *(s for s in seeds if s in self._within))))
        while ahead:
            seed = ahead.popleft()
            if self._is_known(seed):
                continue
            if self._room() <= 0:
                self.is_cut = True
                return
            if not await self._gives(seed, 1):
                continue
            area = Area(seed, seed + 1)
            self.areas.append(area)
            self.areas.sort(key=lambda each: each.address)
            await self._extend(area, upwards=False)
            await self._extend(area, upwards=True)
            self._join()
            hops = (area.end + hop for hop in _HOPS)
            ahead.extendleft(reversed([each for each in hops if each in self._within]))

    async def _extend(self, area: Area, *, upwards: bool) -> None:
        """Follow an area one way, in doubling steps, until it ends."""
        size = 1
        while count := min(size, self.longest, self._space(area, upwards=upwards)):
            if await self._given(area, count, upwards=upwards):
                _grow(area, count, upwards=upwards)
                size = 2 * count
            elif await self._ends_within(area, count, upwards=upwards):
                return
            else:
                size = self.longest

    async def _ends_within(self, area: Area, refused: int, *, upwards: bool) -> bool:
        """Find where it ends, unless so many were only too many at once.

        Then how many are not is known afterwards.
        """
        low, high = 0, refused
        while high - low > 1:
            middle = (low + high) // 2
            if await self._given(area, middle, upwards=upwards):
                low = middle
            else:
                high = middle
        _grow(area, low, upwards=upwards)
        if not low or not self._space(area, upwards=upwards):
            return True
        if not await self._given(area, 1, upwards=upwards):
            return True
        self.longest = low
        return False

    async def _given(self, area: Area, count: int, *, upwards: bool) -> bool:
        address = area.end if upwards else area.address - count
        return await self._gives(address, count)

    def _space(self, area: Area, *, upwards: bool) -> int:
        """Return how many addresses it may grow by."""
        if upwards:
            above = [each.address for each in self.areas if each.address >= area.end]
            free = min([*above, self._within.stop]) - area.end
        else:
            below = [each.end for each in self.areas if each.end <= area.address]
            free = area.address - max([*below, self._within.start])
        return max(0, min(free, self._room()))

    def _room(self) -> int:
        return self._most - sum(area.count for area in self.areas)

    def _is_known(self, address: int) -> bool:
        return any(area.address <= address < area.end for area in self.areas)

    def _join(self) -> None:
        joined: list[Area] = []
        for area in sorted(self.areas, key=lambda each: each.address):
            if joined and area.address <= joined[-1].end:
                joined[-1].end = max(joined[-1].end, area.end)
            else:
                joined.append(area)
        self.areas = joined


def _grow(area: Area, count: int, *, upwards: bool) -> None:
    if upwards:
        area.end += count
    else:
        area.address -= count
