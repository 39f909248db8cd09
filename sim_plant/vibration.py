"""Casing vibration: one set of components, seen as an overall value and as a waveform.

`overall_velocity_mm_s` adds the components' velocity in 10-1000 Hz (the band of
ISO 20816) in closed form; `synthesise` turns the same components into acceleration.
Integrating the waveform in that band therefore gives the overall value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 10_240.0
BURST_POINTS = 4_096
BURST_S = BURST_POINTS / SAMPLE_RATE_HZ
BAND_LOW_HZ, BAND_HIGH_HZ = 10.0, 1_000.0

RESONANCE_HZ = 3_000.0  # of the bearing housing; the carrier an envelope analysis finds
_DAMPING = 0.03
_OMEGA = 2.0 * math.pi * RESONANCE_HZ
_DECAY = _DAMPING * _OMEGA
_RECOIL = 2.0 * math.pi * 1_500.0  # 1/s: how fast the casing swings back
_RECOIL_GAIN = _RECOIL**2 * _OMEGA / (_DECAY**2 + _OMEGA**2)
_OVERSAMPLING = 4  # of impacts: they reach beyond the band of the acquisition
_FINE_HZ, _FINE_POINTS = _OVERSAMPLING * SAMPLE_RATE_HZ, _OVERSAMPLING * BURST_POINTS
_RING_POINTS = math.ceil(6.0 / _DECAY * _FINE_HZ)
_SLIP = 0.012  # scatter of the interval between impacts, as a part of it
_NYQUIST_HZ = SAMPLE_RATE_HZ / 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """A sinusoidal component."""

    frequency_hz: float
    velocity_mm_s: float  # RMS


@dataclass(frozen=True, slots=True)
class Impacts:
    """Blows of a damaged bearing part; each makes the housing ring at its resonance."""

    rate_hz: float
    amplitude_m_s2: float
    modulation_hz: float = 0.0
    modulation_depth: float = 0.0


@dataclass(frozen=True, slots=True)
class VibrationSources:
    """Everything that shakes the drive-end bearing housing at one moment."""

    lines: tuple[Line, ...]
    impacts: Impacts | None
    floor_m_s2: float  # RMS of white noise: rolling, fluid, sensor
    hiss_m_s2: float  # RMS of noise rising with frequency: collapsing vapour bubbles


def overall_velocity_mm_s(sources: VibrationSources) -> float:
    """Velocity RMS in 10-1000 Hz."""
    squares = sum(
        line.velocity_mm_s**2
        for line in sources.lines
        if BAND_LOW_HZ <= line.frequency_hz <= BAND_HIGH_HZ
    )
    squares += (sources.floor_m_s2 * _WHITE_MM_S_PER_M_S2) ** 2
    squares += (sources.hiss_m_s2 * _HISS_MM_S_PER_M_S2) ** 2
    if sources.impacts is not None:
        squares += impact_velocity_mm_s(sources.impacts) ** 2
    return math.sqrt(squares)


def impact_velocity_mm_s(impacts: Impacts) -> float:
    """Velocity RMS in 10-1000 Hz of a train of decaying oscillations.

    The train's lines stand at multiples of its rate, each as high as the Fourier
    transform of one ring-down there (see `_ring`).
    """
    if impacts.rate_hz <= 0.0 or impacts.amplitude_m_s2 <= 0.0:
        return 0.0
    first = math.ceil(BAND_LOW_HZ / impacts.rate_hz)
    last = math.floor(BAND_HIGH_HZ / impacts.rate_hz)
    total = 0.0
    for order in range(max(first, 1), last + 1):
        omega = 2.0 * math.pi * order * impacts.rate_hz
        swing = _OMEGA / (complex(_DECAY, omega) ** 2 + _OMEGA**2)
        ring = abs(swing - _RECOIL_GAIN / complex(_RECOIL, omega) ** 2)
        peak_m_s = 2.0 * impacts.amplitude_m_s2 * impacts.rate_hz * ring / omega
        total += 0.5 * peak_m_s**2
    modulated = 1.0 + 0.5 * impacts.modulation_depth**2
    return 1_000.0 * math.sqrt(total * modulated)


def synthesise(
    sources: VibrationSources, rng: np.random.Generator
) -> NDArray[np.float64]:
    """One burst of acceleration, m/s2, `BURST_POINTS` points at `SAMPLE_RATE_HZ`."""
    time_s = np.arange(BURST_POINTS) / SAMPLE_RATE_HZ
    burst = sources.floor_m_s2 * rng.standard_normal(BURST_POINTS)
    if sources.hiss_m_s2 > 0.0:
        white = rng.standard_normal(BURST_POINTS + 1)
        burst += sources.hiss_m_s2 / math.sqrt(2.0) * np.diff(white)
    for line in sources.lines:
        omega = 2.0 * math.pi * line.frequency_hz
        peak_m_s2 = math.sqrt(2.0) * line.velocity_mm_s * 1e-3 * omega
        phase = rng.uniform(0.0, 2.0 * math.pi)
        burst += peak_m_s2 * np.sin(omega * time_s + phase)
    if sources.impacts is not None and sources.impacts.rate_hz > 0.0:
        burst += _ring_downs(sources.impacts, rng)
    return burst


def _ring_downs(impacts: Impacts, rng: np.random.Generator) -> NDArray[np.float64]:
    """One ring-down per impact, as an acquisition with an anti-alias filter sees it."""
    lead_s = _RING_POINTS / _FINE_HZ
    count = math.ceil((BURST_S + lead_s) * impacts.rate_hz * 1.1) + 2
    interval_s = (1.0 + _SLIP * rng.standard_normal(count)) / impacts.rate_hz
    at_s = np.cumsum(interval_s) - interval_s[0] * rng.uniform(0.0, 1.0) - lead_s
    at_s = at_s[at_s < BURST_S]
    swing = 2.0 * math.pi * impacts.modulation_hz * at_s + rng.uniform(0, 2 * math.pi)
    strength = impacts.amplitude_m_s2 * (1.0 + impacts.modulation_depth * np.cos(swing))
    first = np.ceil(at_s * _FINE_HZ).astype(np.int64)
    index = first[:, None] + np.arange(_RING_POINTS)
    ring = strength[:, None] * _ring(index / _FINE_HZ - at_s[:, None])
    inside = (index >= 0) & (index < _FINE_POINTS)
    fine = np.zeros(_FINE_POINTS)
    np.add.at(fine, index[inside], ring[inside])
    kept = np.fft.rfft(fine)[: BURST_POINTS // 2 + 1] / _OVERSAMPLING
    return np.fft.irfft(kept, BURST_POINTS)


def _ring(age_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Casing acceleration after a unit blow: it rings, and recoils.

    The recoil makes the net impulse zero: a bearing can shake its housing, not push it.
    """
    swing = np.exp(-_DECAY * age_s) * np.sin(_OMEGA * age_s)
    return swing - _RECOIL_GAIN * age_s * np.exp(-_RECOIL * age_s)


def band_velocity_mm_s(
    acceleration_m_s2: NDArray[np.float64],
    *,
    low_hz: float = BAND_LOW_HZ,
    high_hz: float = BAND_HIGH_HZ,
) -> float:
    """Velocity RMS of a burst in a band: its spectrum divided by 2 pi f, added up."""
    window = np.hanning(acceleration_m_s2.size)
    spectrum = np.fft.rfft(acceleration_m_s2 * window)
    frequency_hz = np.fft.rfftfreq(acceleration_m_s2.size, 1.0 / SAMPLE_RATE_HZ)
    band = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    velocity = np.abs(spectrum[band]) / (2.0 * math.pi * frequency_hz[band])
    scale = 2.0 / (acceleration_m_s2.size * float(np.sum(window**2)))
    return 1_000.0 * math.sqrt(scale * float(np.sum(velocity**2)))


def _white_velocity() -> float:
    """In-band velocity, mm/s, of 1 m/s2 RMS white noise: S/(2 pi f)^2 integrated."""
    inverse = 1.0 / BAND_LOW_HZ - 1.0 / BAND_HIGH_HZ
    return 1_000.0 * math.sqrt(inverse / _NYQUIST_HZ) / (2.0 * math.pi)


def _hiss_velocity() -> float:
    """In-band velocity (mm/s) of 1 m/s2 RMS of first-differenced white noise.

    Its density 2 sin^2(pi f / fs) / (fs/2) divided by (2 pi f)^2 is flat while f is
    small against fs, so the integral is the band's width times a constant.
    """
    width_hz = BAND_HIGH_HZ - BAND_LOW_HZ
    return 1_000.0 * math.sqrt(0.5 * width_hz / _NYQUIST_HZ) / SAMPLE_RATE_HZ


_WHITE_MM_S_PER_M_S2 = _white_velocity()
_HISS_MM_S_PER_M_S2 = _hiss_velocity()
