from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from appliance.config import QuantitiesSettings
from appliance.domain.batch import Waveform
from appliance.domain.tag import Tag, TagId
from appliance.inference.symptoms import (
    burst_symptoms,
    measured,
    process_symptoms,
    quantities_of,
    symptoms_of_features,
)
from models.features import AssetModel, BearingGeometry, Mode, Window

FLOW, PRESSURE = TagId("P-1/flow"), TagId("P-1/p_out")
SPEED, LEVEL = TagId("P-1/speed"), TagId("T-1/level")
BURST = TagId("P-1/acceleration")
RATE_HZ, POINTS = 5120.0, 4096
START_NS = 1_800_000_000_000_000_000


MODEL = AssetModel(
    "P-1",
    (Tag(FLOW), Tag(PRESSURE)),
    window_s=4.0,
    waveform_tag=BURST,
    speed_tag=SPEED,
    bearing=BearingGeometry(9, 7.94, 39.04),
    context_tags=(LEVEL,),
)


def window(
    speeds_rpm: list[float] | None = None, points: np.ndarray | None = None
) -> Window:
    """Return four seconds: a flow, a level, speeds by equal steps, and a burst."""
    speeds = [1480.0] if speeds_rpm is None else speeds_rpm
    edges = np.linspace(0.0, 4.0, len(speeds) + 1)
    bursts = {}
    if points is not None:
        narrow = points.astype(np.float32)
        start_ns = START_NS + 2_000_000_000
        bursts[BURST] = Waveform(9, start_ns, RATE_HZ, narrow)
    return Window(
        asset="P-1",
        start_ns=START_NS,
        end_ns=START_NS + 4_000_000_000,
        mode=Mode.RUNNING,
        tags=(FLOW, PRESSURE, SPEED, LEVEL),
        slot=np.array([0, *[2] * len(speeds), 3], dtype=np.int64),
        start_s=np.array([0.0, *edges[:-1], 0.0]),
        end_s=np.array([4.0, *edges[1:], 2.0]),
        value=np.array([80.0, *speeds, 70.0]),
        waveforms=bursts,
    )


def test_a_tag_tells_the_quantity_that_its_name_or_somebody_says() -> None:
    assert quantities_of(MODEL) == {"flow": FLOW}
    told = QuantitiesSettings(discharge_pressure="P-1/p_out", level="T-1/level")
    found = quantities_of(MODEL, told)
    assert found == {"flow": FLOW, "discharge_pressure": PRESSURE, "level": LEVEL}


def test_a_quantity_of_a_tag_that_is_not_the_asset_s_is_nobody_s() -> None:
    assert "flow" not in quantities_of(MODEL, QuantitiesSettings(flow="P-9/flow"))


def test_a_quantity_is_the_mean_over_the_window_or_unknown() -> None:
    quantities = {"flow": FLOW, "level": LEVEL, "discharge_pressure": PRESSURE}
    found = process_symptoms(window(), quantities)
    assert (found["flow"], found["level"]) == (80.0, 70.0)
    assert math.isnan(found["discharge_pressure"])


def test_a_row_of_features_tells_the_same_quantities() -> None:
    quantities = {"flow": FLOW, "level": LEVEL}
    features = {"P-1/flow:mean": 80.0, "P-1/flow:std": 1.0}
    assert symptoms_of_features(features, quantities) == {"flow": 80.0}


def test_without_a_burst_there_are_no_symptoms_of_one() -> None:
    assert burst_symptoms(MODEL, window()) == {}
    assert burst_symptoms(replace(MODEL, waveform_tag=None), window()) == {}
    short = window(points=np.ones(10))
    assert burst_symptoms(MODEL, short) == {}


def test_without_a_speed_only_what_needs_none_is_measured() -> None:
    points = np.random.default_rng(1).normal(size=POINTS)
    found = burst_symptoms(replace(MODEL, speed_tag=None), window(points=points))
    assert found["kurtosis"] == pytest.approx(3.0, abs=0.4)
    assert math.isnan(found["speed_rpm"])
    assert "one_x_mm_s" not in found
    assert "outer_db" not in found


def test_blades_and_gears_are_measured_where_they_are_declared() -> None:
    points = np.random.default_rng(1).normal(size=POINTS)
    plain = measured(MODEL, points, RATE_HZ, speed_rpm=1480.0)
    geared = measured(
        replace(MODEL, blades=6, gear_teeth=23), points, RATE_HZ, speed_rpm=1480.0
    )
    added = {"blade_mm_s", "mesh_hz", "mesh_mm_s", "mesh_sides_mm_s"}
    assert set(geared) - set(plain) == added
    assert "outer_db" in plain


def test_a_speed_that_moves_during_the_burst_is_tracked() -> None:
    """From 1400 to 1600 rpm in four seconds; the burst lies in the second half."""
    speeds = np.linspace(1400.0, 1600.0, 80)
    time_s = np.arange(POINTS) / RATE_HZ
    speed_hz = np.interp(time_s + 2.0, np.arange(80) * 0.05, speeds) / 60.0
    turns = np.concatenate(([0.0], np.cumsum((speed_hz[1:] + speed_hz[:-1]) / 2)))
    points = np.sin(2.0 * np.pi * 3.0 * turns / RATE_HZ)
    moving = burst_symptoms(MODEL, window(list(speeds), points))
    still = burst_symptoms(MODEL, window([moving["speed_rpm"]], points))
    assert 1500.0 < moving["speed_rpm"] < 1560.0
    assert moving["three_x_mm_s"] > still["three_x_mm_s"]
    assert moving["kurtosis"] == still["kurtosis"]


def test_a_speed_told_only_before_the_burst_still_counts() -> None:
    points = np.random.default_rng(1).normal(size=POINTS)
    full = window([1480.0], points)
    early = np.minimum(full.end_s, 1.0)
    before = Window(
        asset=full.asset,
        start_ns=full.start_ns,
        end_ns=full.end_ns,
        mode=full.mode,
        tags=full.tags,
        slot=full.slot,
        start_s=full.start_s,
        end_s=early,
        value=full.value,
        waveforms=full.waveforms,
    )
    assert burst_symptoms(MODEL, before)["speed_rpm"] == 1480.0
