"""Vibration features of one burst of acceleration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.bearing import DefectFrequencies

VELOCITY_BAND_HZ = (10.0, 1000.0)
"""ISO 20816-1: broad-band velocity of machines above 600 rpm."""

_MIN_POINTS = 256
_HARMONICS = 2
_SLIP = 0.02  # rolling elements slip by one to two per cent
_FLOOR_BINS = 12  # each side of a line
_MIN_LINE_BIN = 3.0  # below it, a line cannot be told from the mean


class BurstMeasures(NamedTuple):
    """What a burst says without a bearing; NaN where it cannot say it."""

    velocity_rms_mm_s: float
    acceleration_rms_m_s2: float
    kurtosis: float
    crest_factor: float


class EnvelopeSpectrum(NamedTuple):
    """Amplitudes of the envelope of a band, from 0 Hz in steps of `resolution_hz`."""

    amplitude: FloatColumn
    resolution_hz: float


def burst_measures(
    points: NDArray[np.floating], sample_rate_hz: float
) -> BurstMeasures:
    """Measure a burst of acceleration in m/s²; kurtosis is 3 for Gaussian noise."""
    if not is_measurable(points, sample_rate_hz):
        return BurstMeasures(*(math.nan,) * 4)
    centred = _centred(points)
    square = centred * centred
    mean_square = float(square.mean())
    velocity = velocity_rms_mm_s(points, sample_rate_hz)
    if mean_square == 0.0:
        return BurstMeasures(velocity, 0.0, math.nan, math.nan)
    rms = math.sqrt(mean_square)
    return BurstMeasures(
        velocity_rms_mm_s=velocity,
        acceleration_rms_m_s2=rms,
        kurtosis=float(np.sum(square * square)) / len(square) / mean_square**2,
        crest_factor=math.sqrt(float(square.max())) / rms,
    )


def is_measurable(points: NDArray[np.floating], sample_rate_hz: float) -> bool:
    """Say whether a burst is long enough and all of it is numbers."""
    return (
        points.ndim == 1
        and len(points) >= _MIN_POINTS
        and math.isfinite(sample_rate_hz)
        and sample_rate_hz > 0.0
        and bool(np.isfinite(points).all())
    )


def velocity_rms_mm_s(points: NDArray[np.floating], sample_rate_hz: float) -> float:
    """Return the velocity RMS in 10-1000 Hz of an acceleration in m/s².

    Integrated in the frequency domain (division by 2πf) under a Hann window. NaN
    where the burst is too short or too slow for that band.
    """
    low_hz, high_hz = VELOCITY_BAND_HZ
    resolution_hz = sample_rate_hz / len(points)
    if sample_rate_hz / 2.0 < high_hz or 2.0 * resolution_hz > low_hz:
        return math.nan
    hann = np.hanning(len(points))
    power = np.abs(np.fft.rfft(_centred(points) * hann)) ** 2
    first = math.ceil(low_hz / resolution_hz)
    last = math.floor(high_hz / resolution_hz)
    omega = 2.0 * math.pi * resolution_hz * np.arange(first, last + 1)
    total = float(np.sum(power[first : last + 1] / omega**2))
    mean_square = 2.0 * total / (len(points) * float(np.sum(hann * hann)))
    return 1000.0 * math.sqrt(mean_square)


def default_band_hz(sample_rate_hz: float) -> tuple[float, float]:
    """Return where the envelope is taken when nobody said: above the machine's hum.

    From a tenth of the sample rate (at least 500 Hz) to just below its half.
    """
    return max(500.0, 0.1 * sample_rate_hz), 0.45 * sample_rate_hz


def envelope_spectrum(
    points: NDArray[np.floating],
    sample_rate_hz: float,
    *,
    band_hz: tuple[float, float] | None = None,
) -> EnvelopeSpectrum:
    """Return the amplitude spectrum of the envelope of a band.

    A mask on the spectrum of the burst is the band-pass; without its negative
    frequencies the signal is analytic, and the envelope is its modulus.
    """
    low_hz, high_hz = default_band_hz(sample_rate_hz) if band_hz is None else band_hz
    count = len(points)
    resolution_hz = sample_rate_hz / count
    spectrum = np.fft.rfft(_centred(points))
    first, last = math.ceil(low_hz / resolution_hz), math.floor(high_hz / resolution_hz)
    analytic = np.zeros(count, dtype=np.complex128)
    analytic[first : last + 1] = 2.0 * spectrum[first : last + 1]
    envelope = np.abs(np.fft.ifft(analytic))
    hann = np.hanning(count)
    lines = np.fft.rfft((envelope - envelope.mean()) * hann)
    return EnvelopeSpectrum(np.abs(lines) * (2.0 / hann.sum()), resolution_hz)


def line_levels_db(
    envelope: EnvelopeSpectrum, frequencies: DefectFrequencies
) -> tuple[float, float, float, float]:
    """Return how far each defect's line stands above its surroundings, in dB.

    Damage of a ball strikes both races in a turn: it is sought at twice `bsf`.
    """
    bpfo, bpfi, bsf, ftf = frequencies
    sought = (bpfo, bpfi, 2.0 * bsf, ftf)
    first, second, third, fourth = (line_level_db(envelope, each) for each in sought)
    return first, second, third, fourth


def line_level_db(envelope: EnvelopeSpectrum, frequency_hz: float) -> float:
    """Return the mean height in dB of a line and its second harmonic.

    Each over its local floor; about 4 dB where there is no line. The mean of decibels
    asks for both: a stranger that falls on one of them counts half. NaN where the
    frequency is not known or not resolved.
    """
    product = 1.0
    for order in range(1, _HARMONICS + 1):
        product *= _line_ratio(envelope, order * frequency_hz)
    return 20.0 / _HARMONICS * math.log10(product) if product > 0.0 else math.nan


def _line_ratio(envelope: EnvelopeSpectrum, frequency_hz: float) -> float:
    """Return the highest amplitude near a frequency over the median around it.

    The flank of a neighbour's line is none: then the middle one near it counts.
    """
    amplitude, resolution_hz = envelope
    if not math.isfinite(frequency_hz):
        return math.nan
    centre = frequency_hz / resolution_hz
    reach = max(1, round(_SLIP * centre))
    middle = round(centre)
    if centre < _MIN_LINE_BIN or middle + reach + _FLOOR_BINS >= len(amplitude):
        return math.nan
    low, high = middle - reach, middle + reach
    near = amplitude[low : high + 1]
    line = float(near.max())
    if max(amplitude[low - 1], amplitude[high + 1]) > line:
        line = float(np.median(near))
    below = amplitude[max(1, low - _FLOOR_BINS) : max(1, low - 1)]
    above = amplitude[high + 2 : high + 2 + _FLOOR_BINS]
    floor = float(np.median(np.concatenate((below, above))))
    return line / floor if floor > 0.0 else math.nan


def _centred(points: NDArray[np.floating]) -> FloatColumn:
    wide: FloatColumn = points.astype(np.float64)
    wide -= wide.mean()
    return wide
