"""The feature vector of a window: named, ordered, NaN where unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.tag import TagId
from models.features.burst import burst_features, burst_quantities
from models.features.rhythm import RHYTHMS, rhythm_statistics
from models.features.steps import STATISTICS, step_statistics
from models.modes import mode_features, running_feature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.features.asset import AssetModel, FloatColumn, SlotColumn, Window

FEATURES_VERSION = 2
"""Raised whenever the same window would give another number."""

MIN_COVERAGE = 0.5
"""A tag known for less than this part of a window has no statistics in it."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureVector:
    """Values in the order of `names`, and how much of each was seen (0…1)."""

    names: tuple[str, ...]
    values: FloatColumn
    coverage: FloatColumn


@lru_cache(maxsize=1024)
def feature_names(model: AssetModel) -> tuple[str, ...]:
    """Return the names in their fixed order, `tag:quantity`.

    Units: the tag's own for mean, std and range, that per second for slope, Hz for
    rhythms; those of the burst as `burst_quantities` says.
    """
    names = [f"{tag.id}:{each}" for tag in model.tags for each in STATISTICS]
    names += [f"{tag.id}:{each}" for tag in model.tags for each in model.rhythms]
    names += [f"{model.waveform_tag}:{each}" for each in burst_quantities(model)]
    names += mode_features(model.mode_tags)
    if model.running is not None:
        names.append(running_feature(model.running.tag))
    return tuple(names)


def tag_of(feature: str) -> TagId:
    """Return the tag a feature speaks of."""
    return TagId(feature.rpartition(":")[0])


def feature_vector(model: AssetModel, window: Window) -> FeatureVector:
    """Compute all features of a window. A tag the window lacks is a gap."""
    place = {tag: slot for slot, tag in enumerate(window.tags)}
    statistics, coverage = step_statistics(window, model.hop_s), window.coverage()
    rows = np.array([place.get(tag.id, -1) for tag in model.tags], dtype=np.int64)
    known = _known(rows, coverage)
    table = np.full((len(rows), len(STATISTICS)), np.nan)
    enough = known >= MIN_COVERAGE
    table[enough] = statistics[rows[enough]]
    values = table.reshape(-1)
    seen = np.repeat(known, len(STATISTICS))
    if model.rhythms:
        values = np.concatenate((values, _rhythm_values(model, window, rows, enough)))
        seen = np.concatenate((seen, np.repeat(known, len(model.rhythms))))
    if model.waveform_tag is not None:
        waveform = window.waveforms.get(model.waveform_tag)
        speed_rpm = math.nan
        if model.speed_tag is not None and model.speed_tag in place:
            slot = place[model.speed_tag]
            if coverage[slot] >= MIN_COVERAGE:
                speed_rpm = float(statistics[slot, 0])
        burst = burst_features(model, waveform, speed_rpm)
        values = np.concatenate((values, burst))
        seen = np.concatenate((seen, np.full(len(burst), float(waveform is not None))))
    if model.mode_tags:
        told = [place.get(tag, -1) for tag in model.mode_tags]
        part = _known(np.array(told, dtype=np.int64), coverage)
        values = np.concatenate((values, _mode_values(told, part, statistics)))
        seen = np.concatenate((seen, part, part))
    if model.running is not None:
        values, seen = np.append(values, window.running_s), np.append(seen, 1.0)
    return FeatureVector(feature_names(model), values, seen)


def _rhythm_values(
    model: AssetModel, window: Window, rows: SlotColumn, enough: NDArray[np.bool_]
) -> FloatColumn:
    """Return the wanted rhythms of each tag."""
    columns = [RHYTHMS.index(each) for each in model.rhythms]
    table = np.full((len(rows), len(columns)), np.nan)
    table[enough] = rhythm_statistics(window)[rows[enough]][:, columns]
    return table.reshape(-1)


def _mode_values(
    slots: Sequence[int], known: FloatColumn, statistics: FloatColumn
) -> FloatColumn:
    """Return the mode tags' means, then their ranges."""
    columns = [STATISTICS.index("mean"), STATISTICS.index("range")]
    table = np.full((len(slots), 2), np.nan)
    enough = known >= MIN_COVERAGE
    table[enough] = statistics[np.array(slots)[enough]][:, columns]
    return table.T.reshape(-1)


def _known(rows: np.ndarray, coverage: FloatColumn) -> FloatColumn:
    known = np.zeros(len(rows))
    present = rows >= 0
    known[present] = coverage[rows[present]]
    return known
