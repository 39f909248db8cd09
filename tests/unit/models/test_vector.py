from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.domain.batch import Waveform
from appliance.domain.tag import Tag, TagId
from models.features import (
    AssetModel,
    BearingGeometry,
    Mode,
    Running,
    Window,
    feature_names,
    feature_vector,
    tag_of,
)

PRESSURE, SPEED = TagId("P-1/pressure"), TagId("P-1/motor/speed")
BURST = TagId("P-1/DE/acceleration")
MODEL = AssetModel(
    "P-1",
    (Tag(PRESSURE, "bar"),),
    waveform_tag=BURST,
    speed_tag=SPEED,
    bearing=BearingGeometry(9, 7.94, 39.04),
)
WAVEFORM = Waveform(
    tag=7,
    start_ns=0,
    sample_rate_hz=10_240.0,
    points=np.random.default_rng(0).normal(size=4096).astype(np.float32),
)
WINDOW = Window(
    asset="P-1",
    start_ns=0,
    end_ns=10_000_000_000,
    mode=Mode.RUNNING,
    tags=(PRESSURE, SPEED),
    slot=np.array([0, 1]),
    start_s=np.array([2.0, 0.0]),
    end_s=np.array([10.0, 10.0]),
    value=np.array([3.5, 1480.0]),
    waveforms={BURST: WAVEFORM},
)


def features(model: AssetModel, window: Window) -> dict[str, float]:
    vector = feature_vector(model, window)
    return dict(zip(vector.names, vector.values.tolist(), strict=True))


def test_names_come_in_a_fixed_order() -> None:
    assert feature_names(MODEL) == (
        "P-1/pressure:mean",
        "P-1/pressure:std",
        "P-1/pressure:slope",
        "P-1/pressure:range",
        "P-1/pressure:last",
        "P-1/DE/acceleration:velocity_rms",
        "P-1/DE/acceleration:rms",
        "P-1/DE/acceleration:kurtosis",
        "P-1/DE/acceleration:crest_factor",
        "P-1/DE/acceleration:bpfo",
        "P-1/DE/acceleration:bpfi",
        "P-1/DE/acceleration:bsf",
        "P-1/DE/acceleration:ftf",
    )


def test_a_whole_window_has_all_features_as_numbers() -> None:
    found = features(MODEL, WINDOW)
    assert tuple(found) == feature_names(MODEL)
    assert np.isfinite(list(found.values())).all()
    assert found["P-1/pressure:mean"] == pytest.approx(3.5)


def test_coverage_says_how_much_of_each_feature_was_seen() -> None:
    assert feature_vector(MODEL, WINDOW).coverage == pytest.approx(
        [0.8] * 5 + [1.0] * 8
    )


def test_a_tag_seen_for_less_than_half_the_window_is_unknown() -> None:
    window = replace(WINDOW, start_s=np.array([6.0, 0.0]))
    found = features(MODEL, window)
    assert np.isnan(found["P-1/pressure:mean"])
    assert feature_vector(MODEL, window).coverage[0] == pytest.approx(0.4)


def test_without_a_burst_all_vibration_features_are_unknown() -> None:
    found = features(MODEL, replace(WINDOW, waveforms={}))
    unknown = [name for name, value in found.items() if np.isnan(value)]
    assert unknown == list(feature_names(MODEL)[5:])


@pytest.mark.parametrize("speed", [0.0, None], ids=["standing", "unknown"])
def test_without_a_speed_only_the_defect_lines_are_unknown(speed: float | None) -> None:
    rows = slice(0, 1) if speed is None else slice(None)
    value = np.array([3.5, speed or 0.0])
    window = replace(
        WINDOW,
        slot=WINDOW.slot[rows],
        start_s=WINDOW.start_s[rows],
        end_s=WINDOW.end_s[rows],
        value=value[rows],
    )
    found = features(MODEL, window)
    unknown = [name for name, value in found.items() if np.isnan(value)]
    assert unknown == list(feature_names(MODEL)[9:])


def test_without_a_bearing_there_are_no_lines() -> None:
    plain = replace(MODEL, bearing=None)
    assert feature_names(plain) == feature_names(MODEL)[:9]
    assert tuple(features(plain, WINDOW)) == feature_names(plain)
    assert len(features(plain, replace(WINDOW, waveforms={}))) == 9


def test_a_tag_the_window_does_not_know_is_a_gap() -> None:
    wider = replace(MODEL, tags=(*MODEL.tags, Tag(TagId("P-1/flow"))))
    found = features(wider, WINDOW)
    assert np.isnan(found["P-1/flow:mean"])
    assert found["P-1/pressure:mean"] == pytest.approx(3.5)


def test_an_asset_without_a_waveform_has_process_features_alone() -> None:
    plain = AssetModel("P-1", MODEL.tags)
    assert tuple(features(plain, WINDOW)) == feature_names(MODEL)[:5]


def test_a_feature_belongs_to_the_tag_before_its_last_colon() -> None:
    assert tag_of("P-1/odd:name:mean") == "P-1/odd:name"


@pytest.mark.parametrize(
    "changes", [{"hop_s": 0.0}, {"hop_s": 11.0}, {"hold_s": 0.0}], ids=str
)
def test_impossible_windows_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="needs"):
        replace(MODEL, **changes)  # type: ignore[arg-type] # floats by name


def test_what_tells_the_mode_stands_last_and_is_no_statistic_of_a_scored_tag() -> None:
    valve = TagId("V-1/position")
    model = replace(
        MODEL, mode_tags=(SPEED, valve), running=Running(SPEED), waveform_tag=None
    )
    found = features(model, replace(WINDOW, running_s=42.0))
    assert list(found)[5:] == [
        "P-1/motor/speed:mode_mean",
        "V-1/position:mode_mean",
        "P-1/motor/speed:mode_range",
        "V-1/position:mode_range",
        "P-1/motor/speed:mode_running_s",
    ]
    assert list(found.values())[5:] == pytest.approx(
        [1480.0, np.nan, 0.0, np.nan, 42.0], nan_ok=True
    )
