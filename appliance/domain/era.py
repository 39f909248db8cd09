"""Eras of the gateway's clock: what a wrong clock stamped can be told apart for ever.

Between two steps the wall clock and the monotonic clock differ by the same amount:
that is an era. A stamp of ours has microseconds, and its last three digits, 001 to 099,
name the era, as a hybrid logical clock puts a counter below its time. So a stamp tells
which clock made it, whatever it says, wherever it goes; the time of a protocol with a
clock of its own (steps of 100 ns or more) never looks like one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ERAS = 99
NS_PER_US = 1000


@dataclass(frozen=True, slots=True)
class Era:
    """From `began_monotonic_ns` of a boot on, the wall clock is `shift_ns` ahead.

    `began_monotonic_ns` counts from the boot. `number` is 1 to `ERAS`, then 1 again.
    """

    number: int
    boot_id: str
    began_monotonic_ns: int
    shift_ns: int

    def stamp(self, monotonic_ns: int) -> int:
        """Return the time of this era's clock (UTC, ns), with its mark."""
        return marked(monotonic_ns + self.shift_ns, self.number)


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """What an era's clock was wrong by: add it to stamps of the era in [from, to].

    Zero says that the era is known to be right. Nothing stored is ever changed: a
    reader adds what is known by then.
    """

    era: int
    boot_id: str
    from_monotonic_ns: int
    to_monotonic_ns: int
    from_ns: int
    to_ns: int
    offset_ns: int

    def covers(self, time_ns: int) -> bool:
        """Tell whether a stamp is of this era."""
        return era_of(time_ns) == self.era and self.from_ns <= time_ns <= self.to_ns


def marked(time_ns: int, era: int) -> int:
    """Return a time with the mark of an era; 0 is no era."""
    return time_ns // NS_PER_US * NS_PER_US + era


def era_of(time_ns: int) -> int:
    """Return the era that a stamp names, or 0: it is not of our clock."""
    digits = time_ns % NS_PER_US
    return digits if digits <= ERAS else 0


def corrected(time_ns: int, offsets: Iterable[ClockOffset]) -> int:
    """Return the time that was meant; the last record that covers it counts."""
    found = 0
    for each in offsets:
        if each.covers(time_ns):
            found = each.offset_ns
    return time_ns + found
