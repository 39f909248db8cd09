"""What a window shows that a fault's signature may ask for, by name.

Pure. A symptom that cannot be measured is NaN, which proves nothing and refutes
nothing. `RAW` symptoms are of the window alone; compared with what is usual for the
machine they give the `change` symptoms (see `usual`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.features.gear import floor_m_s2, gear_mesh
from models.features.lines import bearing_lines
from models.features.orders import (
    by_angle,
    line_mm_s,
    shaft_orders,
    velocity_spectrum,
)
from models.features.vibration import burst_measures, envelope_spectrum, is_measurable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from appliance.config import QuantitiesSettings
    from appliance.domain.batch import Waveform
    from appliance.domain.tag import TagId
    from models.features import AssetModel, BearingGeometry, Window
    from models.features.vibration import EnvelopeSpectrum

_NS = 1e9
_NOISE_BAND = (0.4, 0.48)  # of the sample rate: above the ringing of most housings
_SMEAR_BINS = 0.5  # a speed that moves a line of the tenth order by more is tracked
_TRACKED_ORDER = 10.0

QUANTITIES = {
    "velocity": ("vibration_rms", "velocity_rms", "vibration"),
    "flow": (),
    "suction_pressure": ("inlet_pressure",),
    "discharge_pressure": ("outlet_pressure",),
    "current": ("motor_current",),
    "winding_temperature": (),
    "bearing_temperature": (),
    "level": (),
    "valve": ("position", "valve_position"),
}
"""What a process tag may tell, and other last parts of a name that say so."""


def quantities_of(
    model: AssetModel, told: QuantitiesSettings | None = None
) -> dict[str, TagId]:
    """Return which of the asset's tags tells which quantity.

    What was told goes first; otherwise the last part of a scored tag's name does it.
    """
    known = {tag.id for tag in model.tags} | set(model.context_tags)
    found: dict[str, TagId] = {}
    for quantity, others in QUANTITIES.items():
        named = None if told is None else getattr(told, quantity)
        if named is not None:
            if named in known:
                found[quantity] = named
            continue
        for tag in model.tags:
            if tag.id.rpartition("/")[2] in (quantity, *others):
                found.setdefault(quantity, tag.id)
    return found


def process_symptoms(
    window: Window, quantities: Mapping[str, TagId]
) -> dict[str, float]:
    """Return the mean of each quantity over the window, in its tag's units."""
    return {
        quantity: window.recent_mean(tag, window.duration_s)
        for quantity, tag in quantities.items()
    }


def symptoms_of_features(
    features: Mapping[str, float], quantities: Mapping[str, TagId]
) -> dict[str, float]:
    """Return those process symptoms that a row of features tells."""
    return {
        quantity: features[f"{tag}:mean"]
        for quantity, tag in quantities.items()
        if f"{tag}:mean" in features
    }


def burst_symptoms(model: AssetModel, window: Window) -> dict[str, float]:
    """Measure the newest burst of a window; empty where there is none to measure."""
    if model.waveform_tag is None:
        return {}
    waveform = window.waveforms.get(model.waveform_tag)
    if waveform is None or not is_measurable(waveform.points, waveform.sample_rate_hz):
        return {}
    speed_rpm, points = _at_constant_speed(model, window, waveform)
    return {
        **measured(model, points, waveform.sample_rate_hz, speed_rpm=speed_rpm),
        **_shape(waveform.points, waveform.sample_rate_hz),
    }


def measured(
    model: AssetModel,
    points: NDArray[np.floating],
    rate_hz: float,
    *,
    speed_rpm: float,
) -> dict[str, float]:
    """Return the symptoms of a burst of acceleration (m/s²) at a constant speed.

    Without a speed (NaN) only what does not need one.
    """
    low, high = (part * rate_hz for part in _NOISE_BAND)
    symptoms = {
        **_shape(points, rate_hz),
        "noise_m_s2": floor_m_s2(points, rate_hz, band_hz=(low, high)),
        "speed_rpm": speed_rpm,
    }
    if speed_rpm > 0.0:
        symptoms |= _turning(model, points, rate_hz, shaft_hz=speed_rpm / 60.0)
    return symptoms


def _shape(points: NDArray[np.floating], rate_hz: float) -> dict[str, float]:
    plain = burst_measures(points, rate_hz)
    return {
        "velocity_mm_s": plain.velocity_rms_mm_s,
        "acceleration_m_s2": plain.acceleration_rms_m_s2,
        "kurtosis": plain.kurtosis,
        "crest_factor": plain.crest_factor,
    }


def _turning(
    model: AssetModel,
    points: NDArray[np.floating],
    rate_hz: float,
    *,
    shaft_hz: float,
) -> dict[str, float]:
    """Return what needs the shaft's speed: orders, bearing lines, mesh, blades."""
    spectrum = velocity_spectrum(points, rate_hz)
    orders = shaft_orders(spectrum, shaft_hz)
    symptoms = {
        "one_x_mm_s": orders.one,
        "two_x_mm_s": orders.two,
        "three_x_mm_s": orders.three,
        "high_x_mm_s": orders.high,
        "half_x_mm_s": orders.half,
    }
    if model.blades is not None:
        symptoms["blade_mm_s"] = line_mm_s(spectrum, model.blades * shaft_hz)
    if model.gear_teeth is not None:
        mesh = gear_mesh(spectrum, shaft_hz, teeth=model.gear_teeth)
        symptoms |= {
            "mesh_hz": mesh.mesh_hz,
            "mesh_mm_s": mesh.mesh_mm_s,
            "mesh_sides_mm_s": mesh.sides_mm_s,
        }
    if model.bearing is not None:
        envelope = envelope_spectrum(points, rate_hz, band_hz=model.band_hz)
        symptoms |= _bearing(envelope, model.bearing, shaft_hz)
    return symptoms


def _bearing(
    envelope: EnvelopeSpectrum, bearing: BearingGeometry, shaft_hz: float
) -> dict[str, float]:
    frequencies = bearing.frequencies(60.0 * shaft_hz)
    lines = bearing_lines(envelope, frequencies, shaft_hz)
    return {
        "outer_db": lines.outer.level_db,
        "outer_hz": lines.outer.frequency_hz,
        "outer_sides_db": lines.outer_sides_db,
        "inner_db": lines.inner.level_db,
        "inner_hz": lines.inner.frequency_hz,
        "inner_sides_db": lines.inner_sides_db,
        "element_db": lines.element.level_db,
        "element_hz": lines.element.frequency_hz,
        "element_sides_db": lines.element_sides_db,
        "cage_db": lines.cage.level_db,
        "cage_hz": lines.cage.frequency_hz,
        "stranger_db": lines.stranger.level_db,
        "stranger_hz": lines.stranger.frequency_hz,
        "shaft_hz": shaft_hz,
        "ftf_hz": frequencies.ftf,
    }


def _at_constant_speed(
    model: AssetModel, window: Window, waveform: Waveform
) -> tuple[float, NDArray[np.floating]]:
    """Return the mean speed during the burst, and the burst as of that speed.

    Where the speed tag moved during the burst by so much that lines would smear, the
    burst is resampled to equal angles. NaN where the speed is not known.
    """
    points, rate_hz = waveform.points, waveform.sample_rate_hz
    if model.speed_tag is None or model.speed_tag not in window.tags:
        return math.nan, points
    own = window.slot == window.tags.index(model.speed_tag)
    begin_s = (waveform.start_ns - window.start_ns) / _NS
    end_s = begin_s + len(points) / rate_hz
    track_s, track_rpm = window.start_s[own], window.value[own]
    during = (window.end_s[own] > begin_s) & (track_s < end_s)
    if not during.any():
        return window.recent_mean(model.speed_tag, window.duration_s), points
    track_s, track_rpm = track_s[during] - begin_s, track_rpm[during]
    mean_rpm = _mean_speed(track_s, track_rpm, end_s - begin_s)
    smear = np.ptp(track_rpm) / 60.0 * _TRACKED_ORDER * (end_s - begin_s)
    if smear <= _SMEAR_BINS or not (track_rpm > 0.0).all():
        return mean_rpm, points
    return mean_rpm, by_angle(points, rate_hz, track_s=track_s, track_rpm=track_rpm)


def _mean_speed(
    track_s: NDArray[np.float64], track_rpm: NDArray[np.float64], duration_s: float
) -> float:
    """Return the mean of the speed, linear between what was told of it."""
    fine_s = np.linspace(0.0, duration_s, 256)
    return float(np.mean(np.interp(fine_s, track_s, track_rpm)))
