"""The classes of input that a row distinguishes, each with a value that stands for it.

Values lie on the limits themselves: `below` is the last value that lets a demand go,
`between` the last that makes none, `demanding` the first that does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings
    from appliance.safety.channel import ChannelState

BELOW, BETWEEN, DEMANDING = "below", "between", "demanding"
UNDER = "demanding low"
NEAR, HALFWAY, APART = "near", "halfway", "apart"
YOUNG, FROZEN, BAD = "young", "frozen", "bad"
HELD, LATE, LOST = "held", "late", "lost"

VALUED = frozenset({BELOW, BETWEEN, DEMANDING, UNDER, NEAR, HALFWAY, APART, YOUNG})
"""Good readings."""
SILENT = frozenset({HELD, LATE, LOST})
"""No news: still fresh, late, or late for too long."""


def words_of(row: InitiatorSettings) -> tuple[str, ...]:
    """Return the classes of one channel of a row."""
    between = (BETWEEN,) if row.deadband else ()
    match row.condition:
        case "deviation":
            valued: tuple[str, ...] = (NEAR, APART, *((HALFWAY,) if between else ()))
        case "outside":
            valued = (BELOW, *between, DEMANDING, UNDER)
        case "rate":
            valued = (BELOW, *between, DEMANDING, YOUNG)
        case _:
            valued = (BELOW, *between, DEMANDING)
    frozen = (FROZEN,) if row.frozen_after_s is not None else ()
    late = (LATE,) if row.comms_loss_delay_s else ()
    return (*valued, *frozen, BAD, HELD, *late, LOST)


def words_for(row: InitiatorSettings, channel: ChannelState) -> tuple[str, ...]:
    """Return the classes that make a difference to a channel in this state."""
    alive = is_alive(channel)
    dropped = set() if alive else {HELD, LATE}
    if channel.good_at_s is None:
        dropped.add(FROZEN)
    return tuple(word for word in words_of(row) if word not in dropped)


def is_alive(channel: ChannelState) -> bool:
    """Say whether its last word still counts."""
    return channel.good_at_s is not None and channel.trust != "bad"


def value_of(row: InitiatorSettings, word: str) -> float:
    """Return the value that stands for a class of good readings."""
    match row.condition:
        case "low":
            return _of_low(row, word)
        case "outside":
            return _of_band(row, word)
        case "rate":
            return _of_rate(row, word)
        case _:
            return _of_high(row, word)


def _of_high(row: InitiatorSettings, word: str) -> float:
    """Return a value at a limit; for a deviation, one that far from zero."""
    match word:
        case "near":
            return 0.0
        case "below":
            return row.setpoint - row.deadband
        case "between" | "halfway":
            return row.setpoint
        case _:
            return math.nextafter(row.setpoint, math.inf)


def _of_low(row: InitiatorSettings, word: str) -> float:
    match word:
        case "below":
            return row.setpoint + row.deadband
        case "between":
            return row.setpoint
        case _:
            return math.nextafter(row.setpoint, -math.inf)


def _of_band(row: InitiatorSettings, word: str) -> float:
    low = -math.inf if row.setpoint_low is None else row.setpoint_low
    if word == UNDER:
        return math.nextafter(low, -math.inf)
    return _of_high(row, word)


def _of_rate(row: InitiatorSettings, word: str) -> float:
    """Return the value that a window after 0 makes the rate; not quite at the limits.

    A rate is a quotient: its last digit is nobody's promise.
    """
    shares = {
        BELOW: (row.setpoint - row.deadband) / 2,
        BETWEEN: row.setpoint - row.deadband / 2,
        DEMANDING: 2 * row.setpoint,
    }
    sign = -1.0 if row.direction == "fall" else 1.0
    return sign * shares.get(word, 0.0) * row.rate_window_s
