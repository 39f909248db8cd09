"""Unbalance to seal leak, drifting and spiking transmitters, loads and seasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sim_plant import faults
from sim_plant.ailments import Ailment, TransmitterDrift
from sim_plant.faults import FaultProgress, TransmitterFault
from sim_plant.instruments import SPIKE_EVERY_S, Wiring, engineering, measure
from sim_plant.physics import (
    Condition,
    Machine,
    Skid,
    Step,
    step,
    vibration_mm_s,
    vibration_sources,
    warmed_up,
)
from sim_plant.scenario import ScenarioError, parse
from sim_plant.surroundings import Process, Surroundings
from sim_plant.tags import TRANSMITTERS, transmitter_index

if TYPE_CHECKING:
    from collections.abc import Mapping

SKID = Skid()
WARM = warmed_up(SKID)


def after(condition: Condition, *, seconds: int = 600) -> Machine:
    machine = WARM
    for second in range(seconds):
        now = Step(float(second), 1.0)
        machine = step(SKID, machine, condition, energised=True, now=now)
    return machine


def lines(condition: Condition) -> Mapping[float, float]:
    """Velocity by order of the shaft's turns."""
    shaft_hz = WARM.rpm / 60.0
    found: dict[float, float] = {}
    for line in vibration_sources(SKID, WARM, condition).lines:
        order = round(line.frequency_hz / shaft_hz, 1)
        found[order] = found.get(order, 0.0) + line.velocity_mm_s
    return found


def test_unbalance_shakes_once_a_turn() -> None:
    usual, found = lines(Condition()), lines(Condition(unbalance=0.5))
    assert found[1.0] - usual[1.0] == pytest.approx(3.5, rel=0.05)
    assert all(found[order] == usual[order] for order in usual if order != 1.0)


def test_misalignment_shakes_twice_a_turn_most_and_heats_the_bearing() -> None:
    usual, found = lines(Condition()), lines(Condition(misalignment=0.5))
    more = {order: found[order] - usual[order] for order in usual}
    assert max(more, key=lambda order: more[order]) == 2.0
    assert after(Condition(misalignment=1.0)).bearing_degc > WARM.bearing_degc + 3.0


def test_looseness_shakes_at_halves_and_many_multiples() -> None:
    found = lines(Condition(looseness=1.0))
    assert {0.5, 1.5, 2.5} <= found.keys()
    assert vibration_mm_s(SKID, WARM, Condition(looseness=1.0)) > 5.0


def test_a_worn_ring_costs_flow_and_power() -> None:
    worn = after(Condition(worn_ring=1.0))
    assert worn.flow_m3_h < WARM.flow_m3_h - 3.0
    assert worn.discharge_bar < WARM.discharge_bar
    assert worn.current_a > WARM.current_a + 2.0


def test_a_seal_leak_empties_the_tank() -> None:
    leaking = after(Condition(seal_leak=1.0))
    assert leaking.level_m < WARM.level_m - 0.1
    assert leaking.flow_m3_h < WARM.flow_m3_h


def test_a_blocked_discharge_raises_the_pressure_and_takes_the_flow() -> None:
    blocked = after(Condition(discharge_blocked=0.7))
    assert blocked.discharge_bar > WARM.discharge_bar + 0.4
    assert blocked.flow_m3_h < WARM.flow_m3_h - 10.0
    assert blocked.current_a < WARM.current_a


def test_an_ailment_grows_evenly_or_is_there_at_once() -> None:
    slow = Ailment(kind="unbalance", at_s=0.0, final_severity=0.8, develop_h=4.0)
    assert [slow.severity(h) for h in (0.0, 2.0, 9.0)] == [0.0, 0.4, 0.8]
    sudden = Ailment(kind="looseness", at_s=0.0, final_severity=0.3)
    assert sudden.severity(0.0) == 0.3
    assert (sudden.what, sudden.where) == ("looseness", "P-101")


def test_ailments_together_are_one_condition() -> None:
    two = (
        Ailment(kind="unbalance", at_s=0.0, final_severity=0.5),
        Ailment(kind="seal_leak", at_s=0.0, final_severity=0.2),
    )
    come = tuple(FaultProgress(since_s=0.0, severity=f.final_severity) for f in two)
    assert faults.condition(two, come) == Condition(unbalance=0.5, seal_leak=0.2)


# ------------------------------------------------------------------ transmitters
FLOW = TRANSMITTERS[transmitter_index("P-101/flow")]


def shown(wiring: Wiring, *, bias: float = 0.0, seconds: int = 2000) -> np.ndarray:
    rng, state, found = np.random.default_rng(2), None, []
    for _ in range(seconds):
        noise = float(rng.standard_normal())
        state = measure(
            FLOW, state, 80.0, noise=noise, dt_s=1.0, wiring=wiring, bias=bias
        )
        found.append(engineering(FLOW, state.presented))
    return np.array(found)


def test_a_loose_contact_shows_single_wrong_values() -> None:
    found = shown(Wiring.SPIKES)
    far = np.abs(found - 80.0) > 10.0
    assert far.sum() == pytest.approx(2000 / SPIKE_EVERY_S, rel=0.25)
    assert np.std(found[~far]) < 0.5


def test_too_much_damping_takes_the_noise() -> None:
    assert np.ptp(shown(Wiring.QUIET)) == 0.0
    assert np.std(shown(Wiring.LIVE)) > 0.05


def test_a_drift_is_a_part_of_the_range() -> None:
    drift = TransmitterDrift(
        kind="transmitter_drift",
        at_s=5.0,
        tag="P-101/flow",
        part_of_range=0.1,
        develop_h=2.0,
    )
    assert drift.bias(drift.severity(1.0)) == pytest.approx(6.0)
    assert (drift.what, drift.where) == ("transmitter_drift", "P-101/flow")
    come = FaultProgress(since_s=5.0, wear_h=2.0, severity=1.0)
    off = faults.biases((drift,), (come,))
    assert off[transmitter_index("P-101/flow")] == pytest.approx(12.0)
    assert sum(off) == pytest.approx(12.0)
    assert faults.biases((drift,), (FaultProgress(),)) == (0.0,) * len(TRANSMITTERS)
    assert faults.condition((drift,), (come,)) == Condition()
    assert np.mean(shown(Wiring.LIVE, bias=12.0)[100:]) == pytest.approx(92.0, abs=0.2)


@pytest.mark.parametrize("kind", ["transmitter", "transmitter_drift"])
def test_an_unknown_transmitter_is_refused(kind: str) -> None:
    rest = 'wiring = "stuck"' if kind == "transmitter" else "part_of_range = 0.1"
    with pytest.raises(ScenarioError, match="no transmitter is called"):
        parse(
            'name = "x"\ntitle = "x"\n[[faults]]\nat_s = 1.0\ntag = "P-9/x"\n'
            f'kind = "{kind}"\n{rest}',
            place="x",
        )


def test_all_kinds_of_a_loose_wire_may_be_declared() -> None:
    for wiring in (Wiring.SPIKES, Wiring.QUIET, Wiring.STUCK, Wiring.WIRE_BREAK):
        fault = TransmitterFault(
            kind="transmitter", at_s=0.0, tag="P-101/flow", wiring=wiring
        )
        assert fault.what == f"transmitter_{wiring}"


# ------------------------------------------------------------------ loads and air
def test_the_valve_follows_its_schedule_round_and_round() -> None:
    process = Process(schedule=((0.0, 50.0), (600.0, 80.0)), schedule_period_s=1000.0)
    assert [process.wanted_pct(t) for t in (0.0, 599.0, 600.0, 1001.0)] == [
        *(50.0, 50.0, 80.0, 50.0)
    ]
    late = Process(schedule=((600.0, 80.0),), schedule_period_s=1000.0)
    assert late.wanted_pct(10.0) == 80.0
    assert Process(valve_pct=33.0).wanted_pct(1e6) == 33.0


def test_the_air_swings_by_day_and_by_season() -> None:
    air = Surroundings(mean_degc=20.0, season_k=10.0, day_k=5.0)
    assert air.ambient_degc(0.0) == pytest.approx(15.0)
    assert air.ambient_degc(43_200.0) == pytest.approx(25.0, abs=0.2)
    assert air.ambient_degc(91.0 * 86_400.0) == pytest.approx(25.0, abs=0.1)


def test_a_hot_day_warms_winding_and_bearing() -> None:
    hot = warmed_up(Skid(surroundings=Surroundings(mean_degc=45.0)))
    assert hot.winding_degc > WARM.winding_degc + 18.0
    assert hot.bearing_degc == pytest.approx(WARM.bearing_degc + 20.0, abs=1.0)


def test_a_scenario_may_have_loads_and_air() -> None:
    story = parse(
        'name = "x"\ntitle = "x"\n[process]\nschedule = [[0, 50], [600, 80]]\n'
        "[surroundings]\nday_k = 5.0\n",
        place="x",
    )
    assert story.process.schedule == ((0.0, 50.0), (600.0, 80.0))
    assert story.surroundings.day_k == 5.0
    with pytest.raises(ScenarioError, match="its times must rise"):
        parse(
            'name = "x"\ntitle = "x"\n[process]\nschedule = [[600, 50], [0, 80]]',
            place="x",
        )
