"""How many within how long, counted from sorted times in ns; many at a time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from appliance.alarms.flood import BEGINS_ABOVE, ENDS_BELOW, WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Times: TypeAlias = npt.NDArray[np.int64]

RATE_NS = round(WITHIN_S * 1e9)


def most_within(times: Times) -> int:
    """Return the most of sorted times (ns) that lie within any ten minutes."""
    firsts = np.searchsorted(times, times - RATE_NS, side="left")
    within = np.arange(1, len(times) + 1) - firsts
    return int(within.max(initial=0))


def periods_over_pct(times: Times, start_ns: int, now_ns: int) -> float:
    """Return which part of the ten-minute periods had more than ten, in per cent."""
    periods = max(1, -(-(now_ns - start_ns) // RATE_NS))
    _, counts = np.unique((times - start_ns) // RATE_NS, return_counts=True)
    return round(100 * int((counts > BEGINS_ABOVE).sum()) / periods, 3)


def flood_time_pct(times: Times, start_ns: int, now_ns: int) -> float:
    """Return which part of the time was flooded, in per cent."""
    flooded_ns = sum(end - begun for begun, end in _floods(times, now_ns))
    return round(100 * flooded_ns / max(now_ns - start_ns, 1), 3)


def _floods(times: Times, now_ns: int) -> Iterator[tuple[int, int]]:
    """Yield when each flood began and ended; one that lasts ends now.

    Of what comes and what is ten minutes ago at the same time, the latter goes first.
    """
    come = times[times <= now_ns]
    gone = come + RATE_NS
    gone = gone[gone <= now_ns]
    after = np.arange(1, len(come) + 1) - np.searchsorted(gone, come, side="right")
    begins = come[after > BEGINS_ABOVE]
    left = np.searchsorted(come, gone, side="left") - np.arange(1, len(gone) + 1)
    ends = gone[left < ENDS_BELOW]
    end_ns = np.iinfo(np.int64).min
    while (place := np.searchsorted(begins, end_ns, side="left")) < len(begins):
        begun_ns = int(begins[place])
        place = np.searchsorted(ends, begun_ns, side="right")
        end_ns = int(ends[place]) if place < len(ends) else now_ns
        yield begun_ns, end_ns
        if place == len(ends):
            return
