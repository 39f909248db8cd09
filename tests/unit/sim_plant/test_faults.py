"""How faults grow."""

from __future__ import annotations

import itertools

import pytest

from sim_plant import faults
from sim_plant.bearing import Defect
from sim_plant.faults import (
    BearingDefect,
    CoolingBlocked,
    FaultProgress,
    StrainerBlocked,
    TransmitterFault,
)
from sim_plant.instruments import Wiring
from sim_plant.physics import Condition, Machine, Skid, vibration_sources
from sim_plant.tags import transmitter_index

SPALL = BearingDefect(
    kind="bearing_defect",
    at_s=10.0,
    defect=Defect.INNER_RACE,
    onset_severity=0.01,
    growth_per_h=0.01,
)
CLOGGED = StrainerBlocked(
    kind="strainer_blocked", at_s=10.0, blockage=0.8, develop_h=40.0
)
HOT = CoolingBlocked(
    kind="cooling_blocked",
    at_s=10.0,
    blockage=0.5,
    develop_h=1.0,
    thermal_time_scale=24.0,
)


def test_a_fault_waits_for_its_time() -> None:
    untouched = FaultProgress()
    assert faults.grow(SPALL, untouched, t_s=9.99, wear_h=5.0) == untouched
    assert faults.condition((SPALL,), (untouched,)) == Condition()


def test_at_its_onset_it_is_as_small_as_declared() -> None:
    begun = faults.grow(SPALL, FaultProgress(), t_s=10.01, wear_h=5.0)
    assert begun == FaultProgress(since_s=10.01, wear_h=0.0, severity=0.01)


def test_a_spall_grows_ever_faster_and_then_no_more() -> None:
    severities = [SPALL.severity(wear_h) for wear_h in range(0, 400, 50)]
    steps = [b - a for a, b in itertools.pairwise(severities)]
    assert steps == sorted(steps)
    assert SPALL.severity(1e9) == faults.DAMAGE_LIMIT


def test_a_blockage_grows_evenly_to_its_end() -> None:
    assert CLOGGED.severity(20.0) == pytest.approx(0.4)
    assert CLOGGED.severity(1_000.0) == 0.8


def test_each_fault_harms_its_own_part() -> None:
    come = FaultProgress(since_s=1.0, severity=0.5)
    harmed = faults.condition((SPALL, CLOGGED, HOT), (come,) * 3)
    assert harmed.defect is Defect.INNER_RACE
    assert harmed.damage == 0.5
    assert harmed.strainer_blockage == 0.5
    assert harmed.cooling.effectiveness == pytest.approx(0.575)
    assert harmed.cooling.time_scale == 24.0


def test_a_transmitter_fails_alone() -> None:
    frozen = TransmitterFault(
        kind="transmitter", at_s=1.0, tag="P-101/flow", wiring=Wiring.STUCK
    )
    come = FaultProgress(since_s=1.0, severity=1.0)
    assert faults.condition((frozen,), (come,)) == Condition()
    wired = faults.wirings((frozen,), (come,))
    assert wired[transmitter_index("P-101/flow")] is Wiring.STUCK
    assert wired.count(Wiring.LIVE) == len(wired) - 1


def test_an_inner_race_defect_swells_once_per_turn() -> None:
    running = Machine(rpm=1_480.0, current_a=33.0, load=0.8, flow_m3_h=80.0)
    harmed = Condition(defect=Defect.INNER_RACE, damage=0.2)
    blows = vibration_sources(Skid(), running, harmed).impacts
    assert blows is not None
    assert blows.modulation_hz == pytest.approx(1_480.0 / 60.0)
    assert blows.modulation_depth > 0.0
