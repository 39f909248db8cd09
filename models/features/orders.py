"""What turns with the shaft: velocity at multiples of its speed.

Unbalance stands at 1x, misalignment raises 2x and 3x, looseness many multiples and
the halves. Where the speed varied during a burst, the burst is first resampled to
equal angles (order tracking), so that the lines do not smear.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.features.vibration import is_measurable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn

LAST_ORDER = 10
_MIN_BIN = 3.0
_LINE_BINS = 2  # each side of a line: a Hann window spreads it over them
_OVERSAMPLING = 4


class VelocitySpectrum(NamedTuple):
    """Mean square velocity (mm/s)² per bin; its sum over a line is that line's."""

    mean_square: FloatColumn
    resolution_hz: float


class ShaftOrders(NamedTuple):
    """Velocity RMS in mm/s at multiples of the shaft's speed; NaN: not resolved."""

    one: float
    two: float
    three: float
    high: float
    """From the fourth to the last together."""
    half: float
    """At 0.5x, 1.5x and 2.5x together."""


def shaft_orders(spectrum: VelocitySpectrum, shaft_hz: float) -> ShaftOrders:
    """Measure the lines of the shaft."""
    line = [line_mm_s(spectrum, order * shaft_hz) for order in range(1, LAST_ORDER + 1)]
    halves = [line_mm_s(spectrum, order * shaft_hz) for order in (0.5, 1.5, 2.5)]
    return ShaftOrders(
        one=line[0],
        two=line[1],
        three=line[2],
        high=_together(line[3:]),
        half=_together(halves),
    )


def velocity_spectrum(
    points: NDArray[np.floating], sample_rate_hz: float
) -> VelocitySpectrum:
    """Return the velocity of a burst of acceleration in m/s², line by line.

    Integrated by dividing by 2πf, under a Hann window; corrected so that the bins of
    a line add up to its mean square (noise between the lines is 1.5 times too high).
    """
    count = len(points)
    resolution_hz = sample_rate_hz / count
    hann = np.hanning(count)
    centred = points.astype(np.float64) - float(np.mean(points))
    power = np.abs(np.fft.rfft(centred * hann)) ** 2
    omega = 2.0 * math.pi * resolution_hz * np.arange(len(power))
    omega[0] = math.inf
    scale = 2.0e6 / (count * float(np.sum(hann * hann)))
    return VelocitySpectrum(scale * power / omega**2, resolution_hz)


def line_mm_s(spectrum: VelocitySpectrum, frequency_hz: float) -> float:
    """Return the velocity RMS of the line at a frequency; NaN where not resolved.

    The floor beside it is taken off: a line that is not there has next to nothing. It
    is the lowest near, as at half multiples of a slow shaft a neighbour stands close.
    """
    bins, resolution_hz = spectrum
    centre = frequency_hz / resolution_hz
    if not _MIN_BIN <= centre <= len(bins) - 2 * _LINE_BINS - 2:
        return math.nan
    middle = round(centre)
    low, high = middle - _LINE_BINS, middle + _LINE_BINS + 1
    beside = np.concatenate((bins[max(1, low - 3) : low], bins[high : high + 3]))
    floor = float(beside.min()) * (high - low)
    return math.sqrt(max(float(bins[low:high].sum()) - floor, 0.0))


def by_angle(
    points: NDArray[np.floating],
    sample_rate_hz: float,
    *,
    track_s: FloatColumn,
    track_rpm: FloatColumn,
) -> FloatColumn:
    """Resample a burst to equal angles of the shaft, as many points as it had.

    The speed is `track_rpm` at `track_s` (seconds from the burst's start, rising),
    linear between and constant beyond. Read at the mean speed, the result has its
    lines where a machine of constant speed has them.

    Raises:
        ValueError: The burst is none, or the speed is not above zero all the time.
    """
    if not is_measurable(points, sample_rate_hz) or not (track_rpm > 0.0).all():
        raise ValueError("needs a burst of numbers and a speed above zero")
    count = len(points)
    time_s = np.arange(count) / sample_rate_hz
    speed = np.interp(time_s, track_s, track_rpm)
    turned = np.concatenate(([0.0], np.cumsum((speed[1:] + speed[:-1]) / 2.0)))
    at_s = np.interp(np.linspace(0.0, turned[-1], count), turned, time_s)
    fine = _oversampled(points.astype(np.float64))
    fine_s = np.arange(len(fine)) / (_OVERSAMPLING * sample_rate_hz)
    return np.asarray(np.interp(at_s, fine_s, fine), dtype=np.float64)


def _oversampled(points: FloatColumn) -> FloatColumn:
    """Return the band-limited signal between the points; its ends are mirrored.

    Without the mirror the jump from the last point to the first would ring.
    """
    mirrored = np.concatenate((points, points[::-1]))
    spectrum = np.fft.rfft(mirrored)
    fine = np.fft.irfft(spectrum, _OVERSAMPLING * len(mirrored)) * _OVERSAMPLING
    return np.asarray(fine[: _OVERSAMPLING * len(points)], dtype=np.float64)


def _together(lines: list[float]) -> float:
    """Return the root of the sum of squares of those that are resolved."""
    squares = [each * each for each in lines if math.isfinite(each)]
    return math.sqrt(sum(squares)) if squares else math.nan
