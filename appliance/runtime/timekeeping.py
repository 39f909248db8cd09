"""A clock whose stamps keep their order between steps, and name their era.

It runs on the monotonic clock and follows the wall clock only by a new era, so a step
of the wall clock changes no interval, and what was stamped before can be corrected
when the right time is known. Pure but for the clocks it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from appliance.domain.era import ERAS, ClockOffset, Era, marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.domain.ports import Clock
    from appliance.runtime.clock import ClockReading

STEP_NS = 50_000_000
"""Clocks that part by more have been stepped; NTP corrects less by slewing both."""
NOTED_WITHIN_NS = 60_000_000_000
"""An era goes on stamping until the next one is on record: a disk takes a while."""
PERIOD_MAX_NS = 3_600_000_000_000
"""A roll-up bears the start of its period, which may lie before the era's."""


class Clocks(Protocol):
    """The machine's two clocks (see `runtime.clock.MachineClocks`)."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since the boot."""
        ...

    def read(self) -> ClockReading:
        """Read both at one moment."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the clocks has shown.

    `era` is to be put down and then adopted; `offsets` are to be put down. `step_ns`
    is by how much the wall clock was set, zero at a start.
    """

    era: Era | None
    step_ns: int
    offsets: tuple[ClockOffset, ...]
    synchronised: bool


class Timekeeper:
    """A `domain.ports.Clock` in eras. Before the first is adopted stamps have no mark.

    `look` decides and changes nothing; `adopt` and `noted` follow when what it says is
    on record, so a crash between them leaves no stamp whose era is unknown.
    """

    def __init__(self, clock: Clock, clocks: Clocks) -> None:
        self._clock = clock
        self._clocks = clocks
        self._eras: list[Era] = []
        self._offsets: list[ClockOffset] = []
        self.era: Era | None = None

    @property
    def offsets(self) -> Sequence[ClockOffset]:
        """All that is known of wrong eras."""
        return tuple(self._offsets)

    def utc_ns(self) -> int:
        """Return the time of the current era."""
        if self.era is None:
            return self._clock.utc_ns()
        return self.era.stamp(self._clocks.monotonic_ns())

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._clock.now_s()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)

    def mark(self, time_ns: int) -> int:
        """Return a time of this machine's clock with the mark of the current era."""
        return marked(time_ns, 0 if self.era is None else self.era.number)

    def recall(self, eras: Iterable[Era], offsets: Iterable[ClockOffset]) -> None:
        """Take over what is on record, oldest first; before the first look."""
        self._eras = list(eras)
        self._offsets = list(offsets)

    def look(self) -> Look:
        """Compare the clocks."""
        now = self._clocks.read()
        shift_ns = now.wall_ns - now.monotonic_ns
        last = self._eras[-1] if self._eras else None
        same_boot = last is not None and last.boot_id == now.boot_id
        if last is not None and same_boot and abs(shift_ns - last.shift_ns) <= STEP_NS:
            era, new, step_ns = last, None, 0
        else:
            number = 1 if last is None else last.number % ERAS + 1
            era = new = Era(number, now.boot_id, now.monotonic_ns, shift_ns)
            step_ns = shift_ns - last.shift_ns if last and same_boot else 0
        offsets = tuple(self._due(era)) if now.synchronised else ()
        return Look(new, step_ns, offsets, now.synchronised)

    def adopt(self, era: Era | None) -> None:
        """Stamp in a new era from now on, or go on in the last one."""
        if era is not None:
            self._eras.append(era)
        self.era = self._eras[-1]

    def noted(self, offsets: Iterable[ClockOffset]) -> None:
        """Note what is on record now."""
        self._offsets.extend(offsets)

    def _due(self, right: Era) -> list[ClockOffset]:
        """Return records for eras of this boot of which none is known; `right` is."""
        own = [each for each in self._eras if each.boot_id == right.boot_id]
        if right not in own:
            own.append(right)
        known = {
            (each.era, each.boot_id, each.from_monotonic_ns) for each in self._offsets
        }
        due = []
        for place, era in enumerate(own):
            if (era.number, era.boot_id, era.began_monotonic_ns) in known:
                continue
            last = era is right or place + 1 == len(own)
            end_ns = (
                era.began_monotonic_ns if last else own[place + 1].began_monotonic_ns
            )
            due.append(_record(era, end_ns, right.shift_ns - era.shift_ns))
        return due


def _record(era: Era, end_ns: int, offset_ns: int) -> ClockOffset:
    small = abs(offset_ns) <= STEP_NS
    return ClockOffset(
        era=era.number,
        boot_id=era.boot_id,
        from_monotonic_ns=era.began_monotonic_ns,
        to_monotonic_ns=end_ns,
        from_ns=era.stamp(era.began_monotonic_ns) - PERIOD_MAX_NS,
        to_ns=era.stamp(end_ns) + NOTED_WITHIN_NS,
        offset_ns=0 if small else offset_ns,
    )
