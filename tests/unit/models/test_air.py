"""The air moves all temperatures together, and a week has not seen the season."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.air import SEASON_K, air_of
from models.train.distance import fit_distance
from models.train.settings import TagSettings, TrainingSettings

NAMES = tuple(
    f"P-1/{tag}:{each}"
    for tag in ("winding", "bearing", "oil", "flow")
    for each in ("mean", "std", "last")
)
TOLD = TrainingSettings(
    asset="P-1",
    tags=(
        TagSettings("P-1/winding", "degC"),
        TagSettings("P-1/bearing", "degC"),
        TagSettings("P-1/oil", "degF"),
        TagSettings("P-1/flow", "m3/h"),
    ),
    window_s=60.0,
    hop_s=60.0,
)


def test_levels_of_temperatures_move_in_their_own_units_and_nothing_else() -> None:
    air = dict(zip(NAMES, air_of(NAMES, TOLD, rows=0), strict=True))
    assert air["P-1/winding:mean"] == air["P-1/bearing:last"] == SEASON_K
    assert air["P-1/oil:mean"] == pytest.approx(1.8 * SEASON_K)
    assert air["P-1/winding:std"] == 0.0
    assert air["P-1/flow:mean"] == 0.0


def test_it_fades_as_the_training_comes_near_a_year() -> None:
    half, whole = (air_of(NAMES, TOLD, rows=n * 262_980).max() for n in (1, 2))
    assert half == pytest.approx(0.5 * 1.8 * SEASON_K)
    assert whole == 0.0


def test_a_hot_season_is_forgiven_and_one_hot_part_is_not() -> None:
    rng = np.random.default_rng(0)
    day = 2.0 * np.sin(np.arange(600) / 3.0)[:, None]
    rows = rng.normal(0.0, 0.3, size=(600, len(NAMES)))
    warm = np.array(["winding" in name or "bearing" in name for name in NAMES])
    warm &= np.array([not name.endswith("std") for name in NAMES])
    rows[:, warm] += day
    floor = np.full(len(NAMES), 0.1)
    told = without_oil(TOLD)
    plain = fit_distance(rows, floor, NAMES)
    model = fit_distance(rows, floor, NAMES, air=air_of(NAMES, told, rows=600))
    season = np.where(warm, 10.0, 0.0)[None]
    winding = np.where(["winding" in name for name in NAMES], 10.0, 0.0)[None]
    assert model.parts(season)[0, 0] < 0.5 * plain.parts(season)[0, 0]
    assert model.parts(winding)[0, 0] > 0.7 * plain.parts(winding)[0, 0]


def without_oil(told: TrainingSettings) -> TrainingSettings:
    """The oil's temperature is not told in units: it is none to us."""
    tags = [TagSettings(t.id, "" if "oil" in t.id else t.units) for t in told.tags]
    return TrainingSettings(asset="P-1", tags=tuple(tags), window_s=60.0, hop_s=60.0)
