from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from appliance.domain.batch import Waveform
from appliance.domain.health import (
    Explanation,
    Health,
    LikelyFault,
    SensorFinding,
    explanation_of,
)
from appliance.domain.tag import Tag, TagId
from appliance.inference.detector import Verdict
from appliance.inference.explain import TELL_EACH_S, Explainer, differs
from models.features import (
    AssetModel,
    FeatureVector,
    Mode,
    Window,
    feature_vector,
)
from models.features.zones import SeverityClass

FLOW, PRESSURE, SPEED = TagId("P-1/flow"), TagId("P-1/discharge_pressure"), "P-1/v"
S = 1_000_000_000
T0_NS = 1_800_000_000 * S
MODEL = AssetModel(
    "P-1",
    (Tag(FLOW), Tag(PRESSURE), Tag(TagId("P-1/velocity"))),
    window_s=4.0,
    severity=SeverityClass("20816-3", 22.0),
)
QUANTITIES = {
    "flow": FLOW,
    "discharge_pressure": PRESSURE,
    "velocity": TagId("P-1/velocity"),
}
STUCK = (SensorFinding("P-1/flow", "stuck", "the same value for 90 s"),)


class Machine:
    """An asset whose windows are shown one after the other."""

    def __init__(self) -> None:
        self.explainer = Explainer(MODEL, QUANTITIES)
        self.now_ns = T0_NS
        self._rng = np.random.default_rng(1)

    def window(self, flow: float, pressure: float) -> Window:
        self.now_ns += S
        values = np.array([flow, pressure, 3.1])
        return Window(
            asset="P-1",
            start_ns=self.now_ns - 4 * S,
            end_ns=self.now_ns,
            mode=Mode.RUNNING,
            tags=tuple(tag.id for tag in MODEL.tags),
            slot=np.arange(3, dtype=np.int64),
            start_s=np.zeros(3),
            end_s=np.full(3, 4.0),
            value=values * (1.0 + 0.002 * self._rng.normal(size=3)),
        )

    def see(
        self,
        score: float,
        *,
        flow: float = 80.0,
        pressure: float = 7.5,
        anomaly: bool | None = None,
        sensors: tuple[SensorFinding, ...] = (),
    ) -> str | None:
        window = self.window(flow, pressure)
        features = {"P-1/flow:mean": 0.6, "P-1/flow:std": 0.1}
        features |= {"P-1/discharge_pressure:mean": 0.3, "P-1/velocity:std": 0.01}
        abnormal = score > 1.0 if anomaly is None else anomaly
        return self.explainer.see(
            window,
            feature_vector(MODEL, window),
            Verdict(score, 1.0, features=features, mode="running"),
            health=Health("P-1", window.end_ns, score, 1.0, 1.0, abnormal),
            sensors=sensors,
        )

    def be_healthy(self, windows: int = 12) -> list[str | None]:
        return [self.see(0.5) for _ in range(windows)]

    def be_blocked(self, windows: int = 6, score: float = 3.0) -> list[str]:
        told = [self.see(score, flow=60.0, pressure=8.2) for _ in range(windows)]
        return [text for text in told if text is not None]


@pytest.fixture
def machine() -> Machine:
    return Machine()


def read(text: str | None) -> Explanation:
    assert text is not None
    found = explanation_of(text)
    assert found is not None
    return found


def test_a_healthy_machine_is_told_once_to_have_nothing_to_explain(
    machine: Machine,
) -> None:
    told = machine.be_healthy()
    assert told[0] == ""
    assert set(told[1:]) == {None}


def test_an_anomaly_is_explained_by_tags_directions_and_the_likely_fault(
    machine: Machine,
) -> None:
    machine.be_healthy()
    found = read(machine.be_blocked()[-1])
    assert found.likely[0].fault == "discharge_blocked"
    assert "usually 79.9" in found.likely[0].evidence
    first, second = found.tags
    assert (first.tag, first.feature, first.direction) == ("P-1/flow", "mean", "down")
    assert first.share == pytest.approx(0.7)
    assert (second.tag, second.direction) == ("P-1/discharge_pressure", "up")
    assert found.zone == "zone C: 3.1 mm/s by ISO 20816-3, group 2, rigid support"
    assert (found.asset, found.mode, found.limit) == ("P-1", "running", 1.0)


def test_since_when_is_the_first_window_beyond_the_limit(machine: Machine) -> None:
    machine.be_healthy()
    began_ns = machine.now_ns + S
    assert machine.see(2.0, flow=60.0, anomaly=False) is None
    assert read(machine.see(2.0, flow=60.0)).since_ns == began_ns


def test_it_is_told_again_only_when_it_has_changed_materially(
    machine: Machine,
) -> None:
    machine.be_healthy()
    settled = machine.be_blocked(10)
    assert len(settled) <= 3
    assert machine.be_blocked(10) == []
    assert len(machine.be_blocked(10, score=9.0)) == 1


def test_changes_are_told_at_most_once_in_a_while(machine: Machine) -> None:
    machine.be_healthy()
    told = [machine.see(3.0 * 2.0**i, flow=60.0, pressure=8.2) for i in range(9)]
    assert sum(text is not None for text in told) <= 1 + math.ceil(9 / TELL_EACH_S)


def test_the_end_of_an_anomaly_is_told_by_the_empty_text(machine: Machine) -> None:
    machine.be_healthy()
    machine.be_blocked()
    assert machine.see(0.5) == ""
    assert machine.see(0.5) is None


def test_a_machine_that_stops_in_an_anomaly_keeps_its_explanation(
    machine: Machine,
) -> None:
    machine.be_healthy()
    machine.be_blocked()
    assert machine.see(math.nan, anomaly=True) is None
    assert machine.see(0.5) == ""


def test_a_broken_sensor_is_told_without_a_fault_of_the_machine(
    machine: Machine,
) -> None:
    machine.be_healthy()
    found = read(machine.see(0.5, sensors=STUCK))
    assert found.sensor == STUCK
    assert found.likely == ()
    assert machine.see(0.5, sensors=STUCK) is None
    assert machine.see(math.nan, anomaly=False, sensors=STUCK) is None
    assert machine.see(0.5) == ""


def test_what_may_have_been_lost_is_told_again(machine: Machine) -> None:
    machine.be_healthy()
    machine.be_blocked(10)
    machine.explainer.repeat()
    assert read(machine.be_blocked(1)[0]).likely[0].fault == "discharge_blocked"


def test_a_past_episode_is_recognised_with_its_outcome(machine: Machine) -> None:
    machine.be_healthy()
    machine.be_blocked()
    machine.explainer.maintained(machine.now_ns, "valve cleaned")
    machine.be_healthy()
    found = read(machine.be_blocked()[-1])
    assert found.similar[0].outcome == "valve cleaned"
    assert found.similar[0].similarity > 0.9


def test_after_maintenance_the_old_usual_counts_no_more(machine: Machine) -> None:
    machine.be_healthy()
    machine.explainer.maintained(machine.now_ns, "pump replaced")
    assert read(machine.be_blocked()[-1]).likely == ()


def test_what_was_seen_before_there_was_a_model_is_usual(machine: Machine) -> None:
    for _ in range(12):
        window = machine.window(80.0, 7.5)
        machine.explainer.learn(window, feature_vector(MODEL, window))
    assert read(machine.be_blocked()[-1]).likely[0].fault == "discharge_blocked"


def test_the_rows_of_a_model_say_what_is_usual(machine: Machine) -> None:
    rng = np.random.default_rng(2)
    rows = [
        {
            "P-1/flow:mean": 80.0 + 0.2 * rng.normal(),
            "P-1/discharge_pressure:mean": 7.5 + 0.02 * rng.normal(),
        }
        for _ in range(16)
    ]
    machine.explainer.use(MODEL, {"running": rows})
    assert read(machine.be_blocked()[-1]).likely[0].fault == "discharge_blocked"


def test_a_burst_is_measured_once_and_names_what_it_shows() -> None:
    tag = TagId("P-1/acceleration")
    model = replace(MODEL, waveform_tag=tag, tags=())
    explainer = Explainer(model, {})
    rng = np.random.default_rng(3)
    told = None
    for i in range(30):
        quiet = rng.normal(size=4096)
        points = quiet if i < 16 else 8.0 * quiet
        burst = Waveform(1, T0_NS + i // 2 * S, 10_240.0, points.astype(np.float32))
        window = replace(Machine().window(80.0, 7.5), tags=(), waveforms={tag: burst})
        window = replace(window, end_ns=T0_NS + i * S)
        score = 0.5 if i < 16 else 4.0
        told = (
            explainer.see(
                window,
                FeatureVector(("P-1/acceleration:rms",), np.ones(1), np.ones(1)),
                Verdict(
                    score, 1.0, features={"P-1/acceleration:rms": 1.0}, mode="running"
                ),
                health=Health("P-1", window.end_ns, score, 1.0, 1.0, score > 1.0),
            )
            or told
        )
    found = read(told)
    assert found.likely[0].fault == "cavitation"
    assert found.zone.startswith("zone ")


TOLD = Explanation(
    "P-1", 1, "running", 2.0, 1.0, likely=(LikelyFault("cage", 0.5, "FTF line"),)
)


@pytest.mark.parametrize(
    ("change", "material"),
    [
        ({}, False),
        ({"score": 2.4}, False),
        ({"score": 3.5}, True),
        ({"score": math.nan}, True),
        ({"mode": "full load"}, True),
        ({"since_ns": 2}, True),
        ({"zone": "zone C: 3.1 mm/s"}, True),
        ({"sensor": STUCK}, True),
        ({"likely": (LikelyFault("cage", 0.6, "FTF line"),)}, False),
        ({"likely": (LikelyFault("cage", 0.9, "FTF line"),)}, True),
        ({"likely": (LikelyFault("unbalance", 0.5, "1x"),)}, True),
        ({"likely": ()}, True),
    ],
    ids=str,
)
def test_a_change_is_material_if_a_person_would_act_otherwise(
    change: dict[str, Any], material: bool
) -> None:
    assert differs(TOLD, replace(TOLD, **change)) is material
