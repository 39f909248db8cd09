"""The vibration spectrum as it is looked at: acceleration, or its envelope.

For the eye alone: what is decided from a waveform is decided by the model's features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from appliance.wire.messages import WaveformPart

SHOWN_HARMONICS = 3.5
"""Of the highest bearing line; where none is known, half of the spectrum is shown."""
_SLIP = 0.02
_FLOOR_HZ = 40.0
_MIN_POINTS = 64
_STANDS_OUT = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """A frequency that damage would show at, and how far it stands above its floor."""

    name: str
    hertz: float
    times_floor: float

    @property
    def stands_out(self) -> bool:
        """Whether the eye should be led to it."""
        return self.times_floor >= _STANDS_OUT


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Amplitudes from 0 Hz on in steps of `resolution_hz`, and the lines sought."""

    amplitude: NDArray[np.float64]
    resolution_hz: float
    envelope: bool
    lines: tuple[Line, ...] = ()

    def columns(self, width: int, *, top_hz: float) -> list[float]:
        """Return the highest amplitude within each of `width` equal parts."""
        last = max(1, min(len(self.amplitude), round(top_hz / self.resolution_hz)))
        edges = np.linspace(1, max(2, last), width + 1)
        peaks = []
        for low, high in pairwise(edges):
            part = self.amplitude[int(low) : max(int(low) + 1, int(np.ceil(high)))]
            peaks.append(float(part.max()) if len(part) else math.nan)
        return peaks

    @property
    def top_hz(self) -> float:
        """The highest frequency worth showing."""
        half_hz = len(self.amplitude) * self.resolution_hz
        highest = max((line.hertz for line in self.lines), default=0.0)
        if not self.envelope or highest == 0.0:
            return half_hz / (8 if self.envelope else 1)
        return min(half_hz, SHOWN_HARMONICS * highest)


def spectrum_of(
    waveform: WaveformPart,
    *,
    envelope: bool,
    shaft_hz: float | None = None,
    orders: Mapping[str, float] | None = None,
) -> Spectrum | None:
    """Return the spectrum of a waveform, or None where it is too short or broken.

    `orders` are the bearing's defect frequencies as multiples of the shaft's.
    """
    rate_hz = waveform.sample_rate_hz
    points = np.frombuffer(waveform.points, "<f4").astype(np.float64)
    if len(points) < _MIN_POINTS or not (math.isfinite(rate_hz) and rate_hz > 0.0):
        return None
    if not np.isfinite(points).all():
        return None
    shown = _envelope(points, rate_hz) if envelope else points
    hann = np.hanning(len(shown))
    amplitude = np.abs(np.fft.rfft((shown - shown.mean()) * hann)) * (2.0 / hann.sum())
    found = Spectrum(amplitude, rate_hz / len(shown), envelope)
    if not shaft_hz or not orders:
        return found
    lines = (_line(found, name, o * shaft_hz) for name, o in orders.items())
    return Spectrum(amplitude, found.resolution_hz, envelope, tuple(lines))


def _envelope(points: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Return the modulus of the analytic signal above the machine's own hum."""
    count = len(points)
    resolution_hz = rate_hz / count
    half = np.fft.rfft(points - points.mean())
    first = math.ceil(max(500.0, 0.1 * rate_hz) / resolution_hz)
    last = math.floor(0.45 * rate_hz / resolution_hz)
    analytic = np.zeros(count, dtype=np.complex128)
    analytic[first : last + 1] = 2.0 * half[first : last + 1]
    modulus: NDArray[np.float64] = np.abs(np.fft.ifft(analytic))
    return modulus


def _line(spectrum: Spectrum, name: str, hertz: float) -> Line:
    """Measure the highest bin near a frequency against the median around it.

    The flank of a neighbour's line is none: then the middle one near it counts.
    """
    amplitude, step_hz = spectrum.amplitude, spectrum.resolution_hz
    centre = round(hertz / step_hz)
    reach = max(1, round(_SLIP * centre))
    low, high = max(1, centre - reach), centre + reach
    around = max(2 * reach, round(_FLOOR_HZ / step_hz))
    floor = amplitude[max(1, low - around) : high + around]
    near = amplitude[low : high + 1]
    if not len(near) or not np.median(floor) > 0.0:
        return Line(name, hertz, math.nan)
    height = float(near.max())
    if amplitude[low - 1 : high + 2].max() > height:
        height = float(np.median(near))
    return Line(name, hertz, height / float(np.median(floor)))
