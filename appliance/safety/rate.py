"""How fast a value changes: a slope over a window, from confirmed readings. Pure.

A slope is proved by two good readings: the newest, and the newest one that is at least
a window older. What lies between may have been lost; two windows may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings

Point: TypeAlias = tuple[float, float]
"""Scan time (s) and value of a good reading."""
History: TypeAlias = tuple[Point, ...]
"""Good readings, oldest first; one of them at least a window old once there was."""

RESOLUTION = 16
"""Points kept per window: its length is exact to one part in so many."""
LONGEST_WINDOWS = 2.0
"""A slope over more than this would hide a late, steep rise in an old, flat past."""


def extended(history: History, point: Point, *, window_s: float) -> History:
    """Return the history with a reading added and what is no longer needed removed."""
    at_s = point[0]
    start = 0
    while start + 1 < len(history) and at_s - history[start + 1][0] >= window_s:
        start += 1
    kept = history[start:]
    if kept and at_s - kept[-1][0] < window_s / RESOLUTION:
        return kept
    return (*kept, point)


def slope(history: History, point: Point, *, window_s: float) -> float | None:
    """Return the change per second up to `point`; None if nothing proves one."""
    for at_s, value in reversed(history):
        span_s = point[0] - at_s
        if span_s >= window_s:
            proved = span_s <= LONGEST_WINDOWS * window_s
            return (point[1] - value) / span_s if proved else None
    return None


def directed(row: InitiatorSettings, rate: float) -> float:
    """Return a rate as it counts against the setpoint: upwards is towards demand."""
    match row.direction:
        case "rise":
            return rate
        case "fall":
            return -rate
        case _:
            return abs(rate)
