"""What a transmitter makes of the truth: lag, noise, range, counts; its failures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import TYPE_CHECKING

from sim_plant.motor import lag
from sim_plant.tags import Register

if TYPE_CHECKING:
    from sim_plant.tags import Transmitter


SPIKE_EVERY_S = 10.0
_SPIKE_OF_RANGE = 0.3
_UNIT_NORMAL = NormalDist()


class Wiring(StrEnum):
    """How a transmitter is doing; a loose contact spikes, too much damping is quiet."""

    LIVE = "live"
    STUCK = "stuck"
    WIRE_BREAK = "wire_break"
    SPIKES = "spikes"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client can read: the value in counts, and whether the loop is broken."""

    counts: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class TransmitterState:
    """The filter inside a transmitter and its output."""

    filtered: float
    presented: Presented


def measure(
    transmitter: Transmitter,
    state: TransmitterState | None,
    true_value: float,
    *,
    noise: float,
    dt_s: float,
    wiring: Wiring = Wiring.LIVE,
    bias: float = 0.0,
) -> TransmitterState:
    """Advance a transmitter by one step; `noise` is unit normal, `state` None at start.

    Noise enters before the lag and is scaled so that the output has the transmitter's
    stated noise whatever the step. A stuck transmitter repeats itself exactly; one
    that spikes shows a wrong value for one step, about every `SPIKE_EVERY_S`.
    """
    value = true_value * transmitter.gain + bias
    if state is None:
        return TransmitterState(value, Presented(counts(transmitter, value)))
    if wiring is Wiring.STUCK:
        return state
    moved = 1.0 - math.exp(-dt_s / transmitter.lag_s)
    if moved > 0.0 and wiring is not Wiring.QUIET:
        value += noise * transmitter.noise * math.sqrt((2.0 - moved) / moved)
    filtered = lag(state.filtered, value, dt_s=dt_s, tau_s=transmitter.lag_s)
    failed = wiring is Wiring.WIRE_BREAK
    shown = filtered
    if wiring is Wiring.SPIKES:
        shown += _spike(transmitter, noise, dt_s)
    return TransmitterState(filtered, Presented(counts(transmitter, shown), failed))


def _spike(transmitter: Transmitter, noise: float, dt_s: float) -> float:
    """What a loose contact adds in this step: nothing, mostly; up or down by chance."""
    often = -math.expm1(-dt_s / SPIKE_EVERY_S)
    if often <= 0.0 or abs(noise) < _UNIT_NORMAL.inv_cdf(1.0 - often / 2.0):
        return 0.0
    width = transmitter.range_high - transmitter.range_low
    return math.copysign(_SPIKE_OF_RANGE * width, noise)


def counts(transmitter: Transmitter, value: float) -> int:
    """Clip to the range and round to whole counts; not a number reads as range low."""
    if not value >= transmitter.range_low:
        value = transmitter.range_low
    return round(min(value, transmitter.range_high) / transmitter.resolution)


def engineering(transmitter: Transmitter, presented: Presented) -> float:
    """The presented value in engineering units."""
    return round(presented.counts * transmitter.resolution, 6)


def register_word(transmitter: Transmitter, presented: Presented) -> int:
    """The presented value as one Modbus input register."""
    if presented.failed:
        return transmitter.form.value
    if transmitter.form is Register.INT16:
        return presented.counts & 0xFFFF
    return presented.counts
