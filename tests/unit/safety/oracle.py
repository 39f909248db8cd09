"""What a matrix of every condition must do, from its whole past at once, as columns.

It knows no state, no vote table and no code of the logic: each scan is judged from the
readings before it, by counting and by looking up the last one that decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bools: TypeAlias = "NDArray[np.bool_]"
Ints: TypeAlias = "NDArray[np.int64]"
Floats: TypeAlias = "NDArray[np.float64]"

DT_S = 0.125
MAX_AGE_S, LOSS_S = 0.5, 0.5
GOOD, BAD, SILENT = 0, 1, 2


@dataclass(frozen=True)
class Column:
    """One channel's past: what came (`GOOD`, `BAD`, `SILENT`) and the values."""

    kind: Ints
    value: Floats

    @property
    def good(self) -> Bools:
        return np.asarray(self.kind == GOOD)

    @property
    def last_good(self) -> Ints:
        return last(self.good)

    @property
    def age_s(self) -> Floats:
        ages = (np.arange(len(self.kind)) - self.last_good) * DT_S
        return np.where(self.last_good < 0, np.inf, ages)

    @property
    def sound(self) -> Bools:
        recent = self.age_s <= MAX_AGE_S + LOSS_S
        unspoilt = self.last_good > last(self.kind == BAD)
        return np.asarray(recent & unspoilt & (self.last_good >= 0))

    @property
    def fresh(self) -> Bools:
        return np.asarray(self.sound & (self.age_s <= MAX_AGE_S))

    @property
    def held(self) -> Floats:
        return self.value[np.maximum(self.last_good, 0)]


def last(where: Bools) -> Ints:
    """Return, for every scan, the last one up to it where it was so; -1 if never."""
    places = np.where(where, np.arange(len(where)), -1)
    return np.asarray(np.maximum.accumulate(places), dtype=np.int64)


def beyond(outside: Bools, inside: Bools) -> Bools:
    """Say on which side it is: that of the last reading that decided."""
    return np.asarray(last(outside) > last(inside))


def high(column: Column, setpoint: float, deadband: float) -> tuple[Bools, Bools]:
    """Return (sound, demanding) of a channel held to a high setpoint."""
    demanding = beyond(
        column.good & (column.value > setpoint),
        column.good & (column.value <= setpoint - deadband),
    )
    return column.sound, demanding


def outside(
    column: Column, low: float, top: float, deadband: float
) -> tuple[Bools, Bools]:
    """Return (sound, demanding) of a channel held to a band."""
    far = (column.value > top) | (column.value < low)
    near = (column.value <= top - deadband) & (column.value >= low + deadband)
    return column.sound, beyond(column.good & far, column.good & near)


def rising(
    column: Column, setpoint: float, deadband: float, window_scans: int
) -> tuple[Bools, Bools]:
    """Return (sound, demanding) of a channel whose rise per second is held."""
    scans = len(column.kind)
    now = np.arange(scans)
    past = np.full(scans, -1)
    past[window_scans:] = column.last_good[:-window_scans]
    span = now - past
    proved = column.good & (past >= 0) & (span <= 2 * window_scans)
    rate = (column.value - column.value[np.maximum(past, 0)]) / (span * DT_S)
    demanding = beyond(
        proved & (rate > setpoint), proved & (rate <= setpoint - deadband)
    )
    return np.asarray(column.sound & (last(proved) == column.last_good)), demanding


def two_of_three(channels: list[tuple[Bools, Bools]]) -> Bools:
    """Return where two safe channels are lacking."""
    safe = sum((sound & ~demanding).astype(int) for sound, demanding in channels)
    return np.asarray(safe < 2)


def apart(columns: list[Column], limit: float, deadband: float, *, trip: bool) -> Bools:
    """Return where it is not proved that the sound channels are together."""
    sound = np.stack([each.sound for each in columns])
    held = np.stack([each.held for each in columns])
    low = np.where(sound, held, np.inf).min(axis=0)
    top = np.where(sound, held, -np.inf).max(axis=0)
    count = sound.sum(axis=0)
    comparable = count == len(columns) if trip else count >= 2
    gap = np.where(comparable, top - low, 0.0)
    parted = beyond(comparable & (gap > limit), comparable & (gap <= limit - deadband))
    return np.asarray(~comparable | parted)


def lasting(unproven: Bools, on_delay_s: float) -> Bools:
    """Return where it has been unproven for the on-delay."""
    scans = np.arange(len(unproven)) - last(~unproven) - 1
    return np.asarray(unproven & (scans * DT_S >= on_delay_s))


def tripped(demand: Bools, well: Bools, *, stop: Bools, reset: Bools) -> list[bool]:
    """Return the latch of every scan; `well` is where a reset is not refused."""
    edge = reset & ~np.concatenate(([False], reset[:-1]))
    found, scans, now = [], -1, True
    for demands, allowed, stops, pressed in zip(demand, well, stop, edge, strict=True):
        if demands or stops:
            scans = scans + 1 if now else 0
            now = True
        else:
            scans += 1
            if now and pressed and allowed:
                now = scans < 1
        found.append(now)
    return found
