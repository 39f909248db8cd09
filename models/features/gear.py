"""Gears and vanes: lines at teeth times speed, and what modulates them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.features.orders import VelocitySpectrum, line_mm_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDES = 3


class GearMesh(NamedTuple):
    """Velocity RMS in mm/s at the mesh frequency and its double, and of side-bands.

    A worn or cracked gear modulates the mesh with its own turning: `sides_mm_s` is
    that of the first three side-bands each side, at multiples of the shaft's speed.
    """

    mesh_hz: float
    mesh_mm_s: float
    sides_mm_s: float


def gear_mesh(spectrum: VelocitySpectrum, shaft_hz: float, *, teeth: int) -> GearMesh:
    """Measure the mesh of the wheel on the shaft; NaN where it is not resolved."""
    mesh_hz = teeth * shaft_hz
    mesh = [line_mm_s(spectrum, order * mesh_hz) for order in (1, 2)]
    sides = [
        line_mm_s(spectrum, mesh_hz + side * shaft_hz)
        for side in range(-_SIDES, _SIDES + 1)
        if side
    ]
    first, second = mesh
    if math.isfinite(second):
        first = math.hypot(first, second)
    return GearMesh(mesh_hz, first, float(np.sqrt(np.sum(np.square(sides)))))


def floor_m_s2(
    points: NDArray[np.floating], sample_rate_hz: float, *, band_hz: tuple[float, float]
) -> float:
    """Return the RMS of the noise between the lines of a band, in m/s².

    Vapour bubbles that collapse raise the floor over a wide band; lines and single
    blows hardly move the median that it is taken from. NaN where the band is empty.
    """
    count = len(points)
    resolution_hz = sample_rate_hz / count
    first, last = (round(edge / resolution_hz) for edge in band_hz)
    last = min(last, count // 2)
    if last - first < 2 * _MEDIAN_BINS:
        return math.nan
    hann = np.hanning(count)
    centred = points.astype(np.float64) - float(np.mean(points))
    power = np.abs(np.fft.rfft(centred * hann)[first:last]) ** 2
    scale = 2.0 / (count * float(np.sum(hann * hann)))
    # the power of noise is exponentially distributed: its median is ln 2 of its mean
    mean_square = float(np.median(power)) / math.log(2.0) * (last - first) * scale
    return math.sqrt(mean_square)


_MEDIAN_BINS = 8
