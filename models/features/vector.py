"""The feature vector of a window: named, ordered, NaN where unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.tag import TagId
from models.features.steps import STATISTICS, step_statistics
from models.features.vibration import (
    burst_measures,
    envelope_spectrum,
    is_measurable,
    line_levels_db,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.batch import Waveform
    from models.features.asset import AssetModel, FloatColumn, Window

FEATURES_VERSION = 1
"""Raised whenever the same window would give another number."""

MIN_COVERAGE = 0.5
"""A tag known for less than this part of a window has no statistics in it."""

BURST_FEATURES = ("velocity_rms", "rms", "kurtosis", "crest_factor")
LINE_FEATURES = ("bpfo", "bpfi", "bsf", "ftf")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureVector:
    """Values in the order of `names`, and how much of each was seen (0…1)."""

    names: tuple[str, ...]
    values: FloatColumn
    coverage: FloatColumn


@lru_cache(maxsize=1024)
def feature_names(model: AssetModel) -> tuple[str, ...]:
    """Return the names in their fixed order, `tag:quantity`.

    Units: the tag's own for mean, std and range, that per second for slope;
    `velocity_rms` mm/s, `rms` m/s², the lines dB, the others pure numbers.
    """
    names = [f"{tag.id}:{each}" for tag in model.tags for each in STATISTICS]
    if model.waveform_tag is not None:
        lines = LINE_FEATURES if model.has_lines else ()
        names += [f"{model.waveform_tag}:{each}" for each in (*BURST_FEATURES, *lines)]
    return tuple(names)


def tag_of(feature: str) -> TagId:
    """Return the tag a feature speaks of."""
    return TagId(feature.rpartition(":")[0])


def feature_vector(model: AssetModel, window: Window) -> FeatureVector:
    """Compute all features of a window. A tag the window lacks is a gap."""
    place = {tag: slot for slot, tag in enumerate(window.tags)}
    statistics, coverage = step_statistics(window), window.coverage()
    rows = np.array([place.get(tag.id, -1) for tag in model.tags], dtype=np.int64)
    known = _known(rows, coverage)
    table = np.full((len(rows), len(STATISTICS)), np.nan)
    enough = known >= MIN_COVERAGE
    table[enough] = statistics[rows[enough]]
    values = table.reshape(-1)
    seen = np.repeat(known, len(STATISTICS))
    if model.waveform_tag is not None:
        waveform = window.waveforms.get(model.waveform_tag)
        speed_rpm = math.nan
        if model.speed_tag is not None and model.speed_tag in place:
            slot = place[model.speed_tag]
            if coverage[slot] >= MIN_COVERAGE:
                speed_rpm = float(statistics[slot, 0])
        burst = _burst_features(model, waveform, speed_rpm)
        values = np.concatenate((values, burst))
        seen = np.concatenate((seen, np.full(len(burst), float(waveform is not None))))
    return FeatureVector(feature_names(model), values, seen)


def _known(rows: np.ndarray, coverage: FloatColumn) -> FloatColumn:
    known = np.zeros(len(rows))
    present = rows >= 0
    known[present] = coverage[rows[present]]
    return known


def _burst_features(
    model: AssetModel, waveform: Waveform | None, speed_rpm: float
) -> Sequence[float]:
    count = len(BURST_FEATURES) + (len(LINE_FEATURES) if model.has_lines else 0)
    if waveform is None:
        return [math.nan] * count
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
