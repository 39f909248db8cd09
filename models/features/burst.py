"""The part of a feature vector that one burst of vibration gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from models.features.vibration import (
    burst_measures,
    envelope_spectrum,
    is_measurable,
    line_levels_db,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.batch import Waveform
    from models.features.asset import AssetModel

BURST_FEATURES = ("velocity_rms", "rms", "kurtosis", "crest_factor")
LINE_FEATURES = ("bpfo", "bpfi", "bsf", "ftf")


def burst_quantities(model: AssetModel) -> tuple[str, ...]:
    """Return what is measured on the asset's burst, in the order of `burst_features`.

    Units: `velocity_rms` mm/s, `rms` m/s², the lines dB, the others pure numbers.
    """
    if model.waveform_tag is None:
        return ()
    return (*BURST_FEATURES, *(LINE_FEATURES if model.has_lines else ()))


def burst_features(
    model: AssetModel, waveform: Waveform | None, speed_rpm: float
) -> Sequence[float]:
    """Measure a burst; NaN where there is none, or where it cannot say it.

    `speed_rpm` is the shaft's speed during the burst, NaN where unknown.
    """
    if waveform is None:
        return [math.nan] * len(burst_quantities(model))
    points, rate_hz = waveform.points, waveform.sample_rate_hz
    measures = burst_measures(points, rate_hz)
    if not model.has_lines or model.bearing is None:
        return measures
    if not is_measurable(points, rate_hz) or not speed_rpm > 0.0:
        return [*measures, *[math.nan] * len(LINE_FEATURES)]
    envelope = envelope_spectrum(points, rate_hz, band_hz=model.band_hz)
    return [
        *measures,
        *line_levels_db(envelope, model.bearing.frequencies(speed_rpm)),
    ]
