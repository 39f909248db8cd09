"""Ways of running: found by their gaps, told from windows, unknown where never seen."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import FeatureTable
from models.modes import (
    CHANGING_NAME,
    SETTLING_NAME,
    UNKNOWN,
    UNKNOWN_NAME,
    ModeBox,
    ModeMap,
    ModeTrack,
    Span,
    mode_features,
)
from models.train.modes import MIN_MODE_ROWS, ModeTag, learn_modes, modes_of
from models.train.settings import TagSettings, TrainingError, TrainingSettings

S = 1_000_000_000
VALVE, SPEED = "V-1/position", "P-1/speed"
VALVE_TAG, SPEED_TAG = ModeTag(VALVE, "%", 100.0), ModeTag(SPEED, "rpm", 1800.0)


def table(*means: np.ndarray, ranges: float = 1.0) -> FeatureTable:
    """Rows of one scored feature and the mode features of a valve (and a speed)."""
    tags = (VALVE, SPEED)[: len(means)]
    count = len(means[0])
    spans = [np.full(count, ranges) for _ in means]
    values = np.column_stack([np.ones(count), *means, *spans])
    return FeatureTable(
        ("P-1/flow:mean", *mode_features(tags)),
        np.arange(1, count + 1) * S,
        values,
        np.ones_like(values),
    )


def two_loads(rows: int = 200, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = np.where(np.arange(rows) % 100 < 50, 60.0, 100.0)
    return level + rng.normal(0.0, 0.8, rows)


def test_two_loads_are_two_modes() -> None:
    found = learn_modes(table(two_loads()), [VALVE_TAG])
    assert found.modes.names == ("position 60 %", "position 100 %")
    assert found.left_out == {}
    assert (found.labels == np.where(np.arange(200) % 100 < 50, 0, 1)).all()


@pytest.mark.parametrize("seed", range(5))
def test_more_of_the_same_gives_the_same_modes(seed: int) -> None:
    few = learn_modes(table(two_loads(100, seed=seed)), [VALVE_TAG]).modes
    many = learn_modes(table(two_loads(1000, seed=seed + 50)), [VALVE_TAG]).modes
    assert len(few.boxes) == len(many.boxes) == 2
    for a, b in zip(few.boxes, many.boxes, strict=True):
        assert a.spans[0].low == pytest.approx(b.spans[0].low, abs=2.5)


def test_a_load_that_is_seen_at_every_value_is_one_mode() -> None:
    sweep = 70.0 + 30.0 * np.sin(np.arange(400) / 20.0)
    found = learn_modes(table(sweep), [VALVE_TAG])
    assert found.modes.names == ("running",)
    assert (found.labels == 0).all()


def test_strays_on_the_way_make_no_mode_and_belong_to_none() -> None:
    level = two_loads(1000)
    level[[100, 500]] = 80.0
    found = learn_modes(table(level), [VALVE_TAG])
    assert len(found.modes.boxes) == 2
    assert (found.labels[[100, 500]] == UNKNOWN).all()


def test_a_mode_seen_too_seldom_is_left_out_and_said() -> None:
    level = np.concatenate((np.full(200, 60.0), np.full(MIN_MODE_ROWS - 1, 90.0)))
    found = learn_modes(table(level), [VALVE_TAG])
    assert found.modes.names == ("position 60 %",)
    assert found.left_out == {"position 90 %": "seen in 11 rows"}
    assert (found.labels[200:] == UNKNOWN).all()


def test_modes_may_differ_in_several_quantities() -> None:
    valve = np.tile([60.0, 60.0, 90.0], 100)
    speed = np.tile([1480.0, 900.0, 1480.0], 100)
    found = learn_modes(table(valve, speed), [VALVE_TAG, SPEED_TAG])
    assert found.modes.names == (
        "position 60 %, speed 900 rpm",
        "position 60 %, speed 1480 rpm",
        "position 90 %, speed 1480 rpm",
    )


def test_too_many_modes_are_joined_by_wider_margins() -> None:
    steps = np.repeat(np.linspace(0.0, 100.0, 9), 50)
    found = learn_modes(table(steps, ranges=0.1), [ModeTag(VALVE, "%", 10.0)])
    assert 1 <= len(found.modes.boxes) <= 8


def test_without_tags_or_without_their_columns_there_is_one_mode() -> None:
    for tags in ([], [ModeTag("other/tag")]):
        found = learn_modes(table(two_loads()), tags)
        assert found.modes == ModeMap.single()
        assert (found.labels == 0).all()


def test_rows_without_the_tag_give_one_mode_and_a_reason() -> None:
    found = learn_modes(table(np.full(50, np.nan)), [VALVE_TAG])
    assert found.modes == ModeMap.single()
    assert found.left_out == {"modes": "0 rows have the mode's tags"}


def told(declared: ModeMap | None = None) -> TrainingSettings:
    return TrainingSettings(
        asset="P-1",
        tags=(TagSettings(VALVE, "%", 0.0, 100.0),),
        window_s=10.0,
        hop_s=1.0,
        mode_tags=(VALVE,),
        declared=declared,
    )


BANDS = ModeMap(
    (ModeBox("low", (Span(None, 80.0),)), ModeBox("high", (Span(80.0, None),))),
    tags=(VALVE,),
    steady=(5.0,),
    slack=(1.0,),
)


def test_declared_modes_that_were_seen_are_kept() -> None:
    assert modes_of(table(two_loads()), told(BANDS)).modes == BANDS
    low = modes_of(table(np.full(50, 60.0)), told(BANDS))
    assert low.modes.names == ("low",)
    assert low.left_out == {"high": "seen in 0 rows"}


def test_declared_modes_that_were_never_seen_cannot_be_learned() -> None:
    with pytest.raises(TrainingError, match="high seen in 0 rows"):
        modes_of(table(np.full(50, np.nan)), told(BANDS))


def test_a_mode_without_whole_rows_is_left_out() -> None:
    rows = table(two_loads())
    rows.values[np.flatnonzero(rows.values[:, 1] > 80.0)[8:], 0] = np.nan
    found = modes_of(rows, told())
    assert len(found.modes.boxes) == 2  # the feature itself is missing too often
    rows = table(np.concatenate((np.full(300, 60.0), np.full(20, 90.0))))
    rows.values[305:, 0] = np.nan
    found = modes_of(rows, told())
    assert found.modes.names == ("position 60 %",)
    assert found.left_out == {"position 90 %": "seen in 5 rows"}


# ------------------------------------------------------------------ at the edge
NAMES = mode_features([VALVE])


def track(dwell_s: float = 0.0) -> ModeTrack:
    return ModeTrack(msgspec.structs.replace(BANDS, dwell_s=dwell_s))


def at(track: ModeTrack, second: float, mean: float, span: float = 1.0) -> str:
    return track.step(round(second * S), NAMES, np.array([mean, span])).name


def test_a_window_across_a_change_is_changing() -> None:
    edge = track()
    assert at(edge, 1, 60.0) == "low"
    assert at(edge, 2, 75.0, span=30.0) == CHANGING_NAME
    assert at(edge, 3, 90.0) == "high"


def test_a_mode_is_left_only_beyond_its_slack() -> None:
    edge = track()
    names = [at(edge, i, mean) for i, mean in enumerate((79.0, 80.5, 81.5, 79.5, 78.5))]
    assert names == ["low", "low", "high", "high", "low"]


def test_a_new_mode_is_judged_after_its_dwell_the_first_at_once() -> None:
    edge = track(dwell_s=10.0)
    assert at(edge, 1, 60.0) == "low"
    assert at(edge, 20, 90.0) == SETTLING_NAME
    assert at(edge, 29, 90.0) == SETTLING_NAME
    assert at(edge, 30, 90.0) == "high"
    assert at(edge, 40, 90.0, span=20.0) == CHANGING_NAME
    assert at(edge, 45, 90.0) == SETTLING_NAME
    assert at(edge, 50, 90.0) == "high"


def test_outside_all_modes_it_is_unknown_and_has_no_number() -> None:
    modes = ModeMap((ModeBox("low", (Span(0.0, 80.0),)),), (VALVE,), (5.0,), (1.0,))
    edge = ModeTrack(modes)
    assert edge.step(S, NAMES, np.array([95.0, 0.0])) == (UNKNOWN, UNKNOWN_NAME)


def test_a_missing_quantity_leaves_open_what_the_others_do_not_tell() -> None:
    assert BANDS.mode_of([float("nan")]) == UNKNOWN
    one = ModeMap((ModeBox("low", (Span(0.0, 80.0),)),), (VALVE,), (5.0,), (1.0,))
    assert one.mode_of([float("nan")]) == 0
    assert track().step(S, (), np.array([])) == (UNKNOWN, UNKNOWN_NAME)


def test_a_map_must_be_whole() -> None:
    with pytest.raises(ValueError, match="needs a mode"):
        ModeMap(())
    with pytest.raises(ValueError, match="one span per tag"):
        ModeMap((ModeBox("a", ()),), (VALVE,), (1.0,), (1.0,))


def test_a_map_travels_as_json() -> None:
    content = msgspec.json.encode(BANDS)
    assert msgspec.json.decode(content, type=ModeMap) == BANDS


@given(st.lists(st.floats(0.0, 100.0), min_size=MIN_MODE_ROWS, max_size=80))
@settings(max_examples=40, deadline=None)
def test_every_row_is_in_its_own_box_or_in_none(values: list[float]) -> None:
    found = learn_modes(table(np.array(values), ranges=0.0), [VALVE_TAG])
    for value, label in zip(values, found.labels.tolist(), strict=True):
        if label != UNKNOWN:
            assert found.modes.boxes[label].spans[0].holds(value, found.modes.slack[0])
