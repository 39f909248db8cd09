"""Times of the day, in words: `02:00-04:00 daily`, `22:00-02:00 sat,sun`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WORDS = {
    "daily": frozenset(range(7)),
    "weekdays": frozenset(range(5)),
    "weekends": frozenset((5, 6)),
}
_FORM = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)(?: +(\S.*))?")
_DAY_MIN = 24 * 60
_SEARCH_MIN = 8 * _DAY_MIN
_SUNDAY = 6


class WindowError(ValueError):
    """Not a time of the day in words; the message says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """From one minute of the day to another, on some days (0 is Monday).

    Where the end is not after the beginning, it is on the following day.
    """

    begin_min: int
    end_min: int
    days: frozenset[int]

    def holds(self, local: datetime, holidays: Collection[date] = ()) -> bool:
        """Tell whether a moment, as the clock on the wall shows it, is within.

        A holiday counts as a Sunday.
        """
        minute, today = local.hour * 60 + local.minute, local.date()
        day = _day(today, holidays)
        if self.begin_min < self.end_min:
            return day in self.days and self.begin_min <= minute < self.end_min
        late = day in self.days and minute >= self.begin_min
        before = _day(today - timedelta(days=1), holidays)
        return late or (before in self.days and minute < self.end_min)


def parse_window(text: str) -> Window:
    """Return the window that the words mean.

    Raises:
        WindowError: They mean none.
    """
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise WindowError(f"{text!r} is not like '02:00-04:00 daily'")
    *clock, named = found.groups()
    begin_h, begin_m, end_h, end_m = map(int, clock)
    if max(begin_h, end_h) > 24 or max(begin_m, end_m) > 59:  # noqa: PLR2004 - a clock
        raise WindowError(f"{text!r} has a time that no clock shows")
    begin, end = begin_h * 60 + begin_m, end_h * 60 + end_m
    if begin >= _DAY_MIN or end > _DAY_MIN:
        raise WindowError(f"{text!r} has a time that no clock shows")
    if begin == end:
        raise WindowError(f"{text!r} lasts no time; for a whole day say 00:00-24:00")
    return Window(begin, end, _days(named or "daily", text))


def is_open(
    windows: Sequence[Window], local: datetime, holidays: Collection[date] = ()
) -> bool:
    """Tell whether any of them holds the moment; without windows it is always open."""
    return not windows or any(each.holds(local, holidays) for each in windows)


def opens_at(windows: Sequence[Window], local: datetime) -> datetime:
    """Return the moment itself, or the next minute at which a window opens."""
    if is_open(windows, local):
        return local
    minute = local.replace(second=0, microsecond=0)
    for ahead in range(1, _SEARCH_MIN):
        then = minute + timedelta(minutes=ahead)
        if is_open(windows, then):
            return then
    raise WindowError("no window ever opens")


def _day(date_: date, holidays: Collection[date]) -> int:
    return _SUNDAY if date_ in holidays else date_.weekday()


def _days(words: str, text: str) -> frozenset[int]:
    days: frozenset[int] = frozenset()
    for word in re.split(r"[,\s]+", words):
        if word in _WORDS:
            days |= _WORDS[word]
        elif word in DAYS:
            days |= {DAYS.index(word)}
        else:
            known = ", ".join((*_WORDS, *DAYS))
            raise WindowError(f"{text!r}: {word!r} is none of {known}")
    return days
