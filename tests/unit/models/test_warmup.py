"""After a start, and after a change of load: a time with a normal of its own."""

from __future__ import annotations

import numpy as np
import pytest

from models.features import FeatureTable
from models.modes import (
    SETTLING_NAME,
    WARMING_NAME,
    ModeBox,
    ModeMap,
    ModeTrack,
    Span,
    mode_features,
    running_feature,
)
from models.train.learn import learn
from models.train.modes import modes_of
from models.train.settings import TagSettings, TrainingSettings

S = 1_000_000_000
VALVE, SPEED = "V-1/position", "P-1/speed"
NAMES = ("P-1/temperature:mean", *mode_features([VALVE]), running_feature(SPEED))
STEP_S, DAY_S = 60, 86_400
TAU_S = 600.0


def days(
    count: int, *, stops: bool = True, loads: bool = True, tau_s: float = TAU_S
) -> FeatureTable:
    """A winding that follows its load slowly; it stands for an hour every midnight."""
    rng = np.random.default_rng(3)
    rows, times = [], []
    temperature, run_s = 80.0, np.nan
    for second in range(0, count * DAY_S, STEP_S):
        hour = second % DAY_S / 3600.0
        if stops and hour < 1.0:
            temperature, run_s = (
                temperature + (25.0 - temperature) * STEP_S / TAU_S,
                0.0,
            )
            continue
        valve = 90.0 if loads and 8.0 <= hour < 16.0 else 60.0
        aim = 90.0 if valve == 90.0 else 70.0
        temperature += (aim - temperature) * (1.0 - np.exp(-STEP_S / tau_s))
        run_s += STEP_S
        times.append(second * S)
        noise = rng.normal(size=2)
        rows.append([temperature + 0.2 * noise[0], valve + 0.5 * noise[1], 1.0, run_s])
    values = np.array(rows)
    return FeatureTable(NAMES, np.array(times), values, np.ones_like(values))


def told(dwell_s: float = 0.0, declared: ModeMap | None = None) -> TrainingSettings:
    return TrainingSettings(
        asset="P-1",
        tags=(TagSettings(VALVE, "%", 0.0, 100.0),),
        window_s=60.0,
        hop_s=60.0,
        mode_tags=(VALVE,),
        mode_dwell_s=dwell_s,
        declared=declared,
    )


def test_warming_up_and_settling_are_modes_of_their_own() -> None:
    found = modes_of(days(4), told())
    modes = found.modes
    assert modes.names[2:] == (WARMING_NAME, SETTLING_NAME)
    assert 2 * TAU_S < modes.warm_up_s < 6 * TAU_S
    assert 2 * TAU_S < modes.dwell_s < 6 * TAU_S
    assert modes.running_tag == SPEED
    counts = np.bincount(found.labels, minlength=4)
    assert (counts > 30).all()


def test_a_machine_that_is_settled_at_once_has_no_such_time() -> None:
    modes = modes_of(days(4, tau_s=1.0), told()).modes
    assert len(modes.boxes) == 2
    assert modes.dwell_s == 0.0
    assert modes.warm_up_s == 0.0


def test_starts_seen_too_seldom_leave_their_time_unknown() -> None:
    found = modes_of(days(2, loads=False), told())
    assert found.modes.names == ("running",)
    assert found.modes.warm_up_s > TAU_S
    track = ModeTrack(found.modes)
    cold = np.array([30.0, 60.0, 1.0, 120.0])
    assert track.step(S, NAMES, cold) == (-1, WARMING_NAME)
    warm = np.array([70.0, 60.0, 1.0, 36_000.0])
    assert track.step(2 * S, NAMES, warm) == (0, "running")


def test_a_start_that_nobody_saw_counts_as_long_ago() -> None:
    modes = modes_of(days(4), told()).modes
    unseen = np.array([70.0, 60.0, 1.0, np.nan])
    assert ModeTrack(modes).step(S, NAMES, unseen).name == "position 60 %"


def test_a_dwell_that_is_told_is_kept() -> None:
    modes = modes_of(days(4), told(dwell_s=900.0)).modes
    assert modes.dwell_s == 900.0
    assert modes.names[-1] == WARMING_NAME


def test_declared_modes_have_it_too() -> None:
    bands = ModeMap(
        (ModeBox("low", (Span(None, 75.0),)), ModeBox("high", (Span(75.0, None),))),
        tags=(VALVE,),
        steady=(5.0,),
        slack=(1.0,),
    )
    modes = modes_of(days(4), told(declared=bands)).modes
    assert modes.names == ("low", "high", WARMING_NAME, SETTLING_NAME)


@pytest.mark.parametrize("missing", [0, 1])
def test_without_the_columns_nothing_is_added(missing: int) -> None:
    table = days(1, stops=False)
    kept = [0, 1, 2] if missing else [0]
    names = tuple(NAMES[i] for i in kept)
    values = table.values[:, kept]
    few = FeatureTable(names, table.time_ns, values, np.ones_like(values))
    modes = modes_of(few, told()).modes
    assert WARMING_NAME not in modes.names


def test_the_card_says_what_is_not_known_and_how_long_it_settles() -> None:
    table = days(4)
    bundle = learn(table, told())
    assert "After a start it takes" in bundle.card
    assert "After a change of mode it takes" in bundle.card
    assert [mode.name for mode in bundle.manifest.modes] == [
        "position 60 %",
        "position 90 %",
        WARMING_NAME,
        SETTLING_NAME,
    ]
    few = learn(days(1, stops=False, loads=False), told())
    assert "Modes and instruments" not in few.card
