from __future__ import annotations

import math
import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.health import FAULT_WORDS
from appliance.inference.diagnosis import (
    MOST,
    NAMED,
    confidence_of,
    likely_faults,
    strength,
)
from appliance.inference.evidence import Evidence, Signature
from appliance.inference.signatures import SIGNATURES
from appliance.inference.symptoms import measured
from appliance.inference.usual import UsualSymptoms
from models.features import AssetModel, BearingGeometry
from models.features.zones import SeverityClass
from sim_plant import physics
from sim_plant.bearing import Defect
from sim_plant.physics import Condition, Skid
from sim_plant.vibration import SAMPLE_RATE_HZ, synthesise

SKID = Skid()
MACHINE = physics.warmed_up(SKID)
BEARING = BearingGeometry(balls=8, ball_diameter_mm=20.64, pitch_diameter_mm=87.5)
WRONG = BearingGeometry(balls=11, ball_diameter_mm=15.0, pitch_diameter_mm=80.0)
NAME = {
    Defect.OUTER_RACE: "outer_race",
    Defect.INNER_RACE: "inner_race",
    Defect.BALL: "rolling_element",
    Defect.CAGE: "cage",
}


def pump(bearing: BearingGeometry = BEARING) -> AssetModel:
    return AssetModel("P-101", (), bearing=bearing, blades=6)


def shows(
    condition: Condition, seed: int, *, model: AssetModel | None = None
) -> dict[str, float]:
    """Return the symptoms of one burst of the simulated pump."""
    machine = MACHINE
    if condition.strainer_blockage:
        machine = replace(machine, cavitation=condition.strainer_blockage)
    sources = physics.vibration_sources(SKID, machine, condition)
    points = synthesise(sources, np.random.default_rng(seed))
    return measured(model or pump(), points, SAMPLE_RATE_HZ, speed_rpm=machine.rpm)


@pytest.fixture(scope="module")
def usual() -> UsualSymptoms:
    usual = UsualSymptoms()
    for seed in range(16):
        usual.remember(shows(Condition(), seed))
    return usual


def first_named(symptoms: dict[str, float], usual: UsualSymptoms) -> str:
    likely = likely_faults(symptoms | usual.changes(symptoms))
    return likely[0].fault if likely else ""


@pytest.mark.parametrize("defect", list(Defect))
@pytest.mark.parametrize("damage", [0.03, 0.3, 1.0])
def test_damage_of_each_part_of_the_bearing_is_named_from_three_per_cent_on(
    defect: Defect, damage: float, usual: UsualSymptoms
) -> None:
    condition = Condition(defect=defect, damage=damage)
    named = [first_named(shows(condition, seed), usual) for seed in range(3)]
    assert named.count(NAME[defect]) >= 2


@pytest.mark.parametrize("defect", [Defect.OUTER_RACE, Defect.INNER_RACE, Defect.BALL])
def test_the_wrong_geometry_is_refused_and_not_misnamed(
    defect: Defect, usual: UsualSymptoms
) -> None:
    symptoms = shows(Condition(defect=defect, damage=0.3), 1, model=pump(WRONG))
    likely = likely_faults(symptoms | usual.changes(symptoms))
    assert likely[0].fault == "unknown_impacts"
    assert "at no frequency of this bearing" in likely[0].evidence
    assert "check" in likely[0].evidence


@pytest.mark.parametrize(
    ("fault", "condition"),
    [
        ("unbalance", Condition(unbalance=0.6)),
        ("misalignment", Condition(misalignment=0.5)),
        ("looseness", Condition(looseness=0.9)),
        ("cavitation", Condition(strainer_blockage=0.2)),
    ],
)
def test_what_shakes_the_machine_is_named(
    fault: str, condition: Condition, usual: UsualSymptoms
) -> None:
    named = [first_named(shows(condition, seed), usual) for seed in range(5)]
    assert named.count(fault) >= 4


def test_a_healthy_machine_has_no_likely_fault(usual: UsualSymptoms) -> None:
    named = [first_named(shows(Condition(), seed), usual) for seed in range(100, 140)]
    assert named.count("") >= 39


def test_the_evidence_is_a_sentence_that_a_technician_can_check(
    usual: UsualSymptoms,
) -> None:
    symptoms = shows(Condition(defect=Defect.INNER_RACE, damage=0.1), 3)
    evidence = likely_faults(symptoms | usual.changes(symptoms))[0].evidence
    assert evidence.startswith("BPFI line ")
    assert f"at {symptoms['inner_hz']:.1f} Hz" in evidence
    assert "side-bands at the shaft's 24.7 Hz" in evidence
    assert "1484 rpm" in evidence


PROCESS = {
    "flow": 80.0,
    "suction_pressure": 1.6,
    "discharge_pressure": 7.5,
    "current": 33.6,
    "winding_temperature": 87.0,
    "bearing_temperature": 45.0,
    "level": 69.0,
}


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("discharge_blocked", {"flow": 66, "discharge_pressure": 8.0, "current": 31}),
        ("suction_blocked", {"flow": 77, "suction_pressure": 1.2}),
        ("worn_ring", {"flow": 76, "discharge_pressure": 7.0, "current": 36}),
        ("seal_leak", {"flow": 79, "level": 66, "discharge_pressure": 7.4}),
        ("cooling_blocked", {"winding_temperature": 110}),
        ("lubrication", {"bearing_temperature": 62}),
    ],
)
def test_a_process_fault_is_named_by_the_directions_of_what_changed(
    fault: str, changed: dict[str, float]
) -> None:
    usual = UsualSymptoms()
    rng = np.random.default_rng(1)
    for _ in range(20):
        noise = 1.0 + 0.003 * rng.normal(size=len(PROCESS))
        values = np.array(list(PROCESS.values())) * noise
        usual.remember(dict(zip(PROCESS, values.tolist(), strict=True)))
    symptoms = PROCESS | {name: float(value) for name, value in changed.items()}
    assert first_named(symptoms, usual) == fault
    assert first_named(dict(PROCESS), usual) == ""


def test_a_worn_gear_is_named_by_the_side_bands_of_its_mesh() -> None:
    usual = UsualSymptoms()
    sound = {"mesh_hz": 568.0, "mesh_mm_s": 1.0, "mesh_sides_mm_s": 0.1}
    for _ in range(10):
        usual.remember(sound)
    worn = sound | {"mesh_mm_s": 1.3, "mesh_sides_mm_s": 0.5}
    assert first_named(worn, usual) == "gear_mesh"


def test_where_nothing_is_known_of_the_usual_the_zones_say_what_is_high() -> None:
    symptoms = {"one_x_mm_s": 4.0, "two_x_mm_s": 0.3, "velocity_mm_s": 4.1}
    assert likely_faults(symptoms) == ()
    by_zone = likely_faults(symptoms, severity=SeverityClass("20816-3", 22.0))
    assert by_zone[0].fault == "unbalance"


def test_an_unknown_need_names_nothing_and_an_unknown_support_is_half_one() -> None:
    signature = Signature(
        "fault", needs=(Evidence("a", 0.0, 1.0),), supports=(Evidence("b", 0.0, 1.0),)
    )
    assert confidence_of(signature, {"b": 1.0}) == 0.0
    assert confidence_of(signature, {"a": 1.0}) == pytest.approx(0.85)
    assert confidence_of(signature, {"a": 1.0, "b": 1.0}) == pytest.approx(1.0)
    assert confidence_of(signature, {"a": 1.0, "b": 0.0}) == pytest.approx(0.7)


def test_what_speaks_against_a_fault_takes_its_confidence() -> None:
    against = (Evidence("c", 1.0, 3.0),)
    signature = Signature("f", needs=(Evidence("a", 0.0, 1.0),), against=against)
    assert confidence_of(signature, {"a": 1.0, "c": 2.0}) == pytest.approx(0.5)
    assert confidence_of(signature, {"a": 1.0, "c": 9.0}) == 0.0
    assert confidence_of(signature, {"a": 1.0}) == 1.0


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=True), st.booleans())
def test_the_strength_of_evidence_is_a_part_of_one_or_unknown(
    value: float, falling: bool
) -> None:
    first, second = (5.0, 1.0) if falling else (1.0, 5.0)
    found = strength(Evidence("a", first, second), {"a": value})
    assert math.isnan(found) == math.isnan(value)
    assert math.isnan(found) or 0.0 <= found <= 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted({e.of for s in SIGNATURES for e in s.needs})),
        st.floats(allow_nan=True, allow_infinity=True),
    )
)
def test_no_symptoms_break_the_evaluator(symptoms: dict[str, float]) -> None:
    likely = likely_faults(symptoms, severity=SeverityClass("10816-7", 22.0))
    assert len(likely) <= MOST
    assert all(NAMED <= each.confidence <= 1.0 for each in likely)


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda each: each.fault)
def test_every_signature_is_named_in_words_and_has_evidence_to_tell(
    signature: Signature,
) -> None:
    assert signature.fault in FAULT_WORDS
    assert any(each.words for each in signature.needs)
    for each in (*signature.needs, *signature.supports, *signature.against):
        assert each.nothing != each.all_of_it
        fields = [name for _, name, _, _ in string.Formatter().parse(each.words)]
        assert all(name is None or name.isidentifier() for name in fields)
