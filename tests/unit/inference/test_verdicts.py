"""Mode, instruments and score together; what is told to a person of the first two."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.config import check_text
from appliance.domain.tag import Tag, TagId
from appliance.inference.asset import asset_model
from appliance.inference.declared import declared_map
from appliance.inference.detector import Verdict
from appliance.inference.verdicts import UNKNOWN_AFTER_S, Verdicts, completed
from models.features import FeatureVector, Mode, Window
from models.modes import ModeBox, ModeMap, Span, mode_features
from models.sensors import SensorCard, Sensors, StandIn
from models.train.sensors import stand_in

if TYPE_CHECKING:
    from appliance.config import AssetSettings, Config

S = 1_000_000_000
T0 = 1_800_000_000 * S
FLOW, CURRENT, PRESSURE = (TagId(f"P-1/{n}") for n in ("flow", "current", "pressure"))
VALVE = TagId("V-1/position")
TAGS = (FLOW, CURRENT, PRESSURE)
SCORED = tuple(f"{tag}:{q}" for tag in TAGS for q in ("mean", "std", "range"))
NAMES = (*SCORED, *mode_features([VALVE]))
LOW = ModeMap((ModeBox("low", (Span(50.0, 70.0),)),), (VALVE,), (5.0,), (1.0,))


@dataclass
class Model:
    """A detector whose score is how far the flow's mean is from 10."""

    sensors: Sensors
    mode_map: ModeMap = LOW
    limit: float = 1.0
    asked: list[frozenset[TagId]] = field(default_factory=list)

    def judge(
        self, vector: FeatureVector, *, mode: int, without: frozenset[TagId]
    ) -> Verdict:
        assert mode == 0
        self.asked.append(without)
        return Verdict(abs(float(vector.values[0]) - 10.0), self.limit, mode="low")


def vector(
    flow: float = 10.0, *, valve: float = 60.0, still: float = 0.2
) -> FeatureVector:
    values = [flow, still, still, 20.0, 0.2, 0.5, 5.0, 0.2, 0.5, valve, 1.0]
    return FeatureVector(NAMES, np.array(values), np.ones(len(values)))


def window(second: int) -> Window:
    nothing = np.empty(0)
    end_ns = T0 + second * S
    return Window(
        asset="P-1",
        start_ns=end_ns - 10 * S,
        end_ns=end_ns,
        mode=Mode.RUNNING,
        tags=TAGS,
        slot=nothing.astype(np.int64),
        start_s=nothing,
        end_s=nothing,
        value=nothing,
    )


def cards(*stand_ins: StandIn) -> Sensors:
    known = tuple(SensorCard(tag, std_low=0.1, still_s=0.0) for tag in TAGS)
    return Sensors(known, stand_ins=stand_ins)


def judged(model: Model) -> Verdicts:
    return Verdicts(model, sensor_after_s=30.0)  # type: ignore[arg-type] # a fake


def test_a_verdict_names_its_mode() -> None:
    verdicts = judged(Model(cards()))
    verdict = verdicts.judge(window(10), vector(10.5))
    assert (verdict.score, verdict.mode) == (0.5, "low")
    assert verdicts.mode == "low"


def test_in_an_unknown_mode_there_is_no_score_and_a_word_when_it_lasts() -> None:
    verdicts = judged(Model(cards()))
    for second in range(10, 2000, 10):
        verdict = verdicts.judge(window(second), vector(99.0, valve=90.0))
        assert math.isnan(verdict.score)
        assert verdict.mode == "unknown"
        told = [each["key"] for each in verdicts.diagnostics("P-1")]
        assert told == (["mode P-1"] if second >= UNKNOWN_AFTER_S else [])
    verdicts.judge(window(2000), vector())
    assert not list(verdicts.diagnostics("P-1"))


def test_a_broken_instrument_is_told_with_its_remedy() -> None:
    verdicts = judged(Model(cards()))
    for second in range(10, 60, 5):
        verdicts.judge(window(second), vector(12.0, still=0.0))
    (told,) = verdicts.diagnostics("P-1")
    assert told["key"] == "stuck P-1/flow"
    assert told["tags"] == [FLOW]
    assert "judged without it" in told["remedy"]
    assert verdicts.findings[0].finding == "stuck"


def test_without_a_stand_in_the_tag_is_left_to_the_detector() -> None:
    model = Model(cards())
    judged(model).judge(window(10), vector(12.0, still=0.0))
    assert model.asked == [frozenset({FLOW})]


def test_the_others_stand_in_for_a_broken_instrument() -> None:
    rng = np.random.default_rng(1)
    load = rng.normal(size=(300, 1))
    rows = np.tile([10.0, 0.2, 0.5, 20.0, 0.2, 0.5, 5.0, 0.2, 0.5], (300, 1))
    rows[:, 0:1] += 2.0 * load
    rows[:, 3:4] += 4.0 * load
    rows[:, 6:7] -= 1.0 * load
    rows += 0.02 * rng.normal(size=rows.shape)
    center, scale = rows.mean(axis=0), rows.std(axis=0)
    usual = stand_in(SCORED, rows, center=center, scale=scale)
    model = Model(cards(usual))
    stuck = vector(99.0, still=0.0)
    stuck.values[3], stuck.values[6] = 24.0, 4.0  # the load is one up
    verdict = judged(model).judge(window(10), stuck)
    assert model.asked == [frozenset()]
    assert verdict.score == pytest.approx(2.0, abs=0.2)
    hole = vector(99.0)
    hole.values[3] = np.nan
    assert completed(hole, usual, frozenset({FLOW})) is hole


# ------------------------------------------------------------------ configuration
TOML = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "x"
[[sources.tags]]
id = "P-1/flow"
key = "flow"
[[sources.tags]]
id = "P-1/speed"
key = "speed"
[[sources.tags]]
id = "V-1/position"
key = "valve"
range_low = 0.0
range_high = 200.0
[[assets]]
id = "P-1"
speed_tag = "P-1/speed"
"""


def configured(more: str) -> tuple[Config, AssetSettings]:
    config, problems = check_text(TOML + more)
    assert config is not None, problems
    return config, config.assets[0]


def test_the_speed_tells_the_mode_where_nobody_says() -> None:
    assert asset_model(*configured("")).mode_tags == ("P-1/speed",)
    chosen = '[assets.modes]\ntags = ["V-1/position", "V-1/position"]'
    assert asset_model(*configured(chosen)).mode_tags == ("V-1/position",)


def test_modes_may_be_told_by_values() -> None:
    told = '[assets.modes]\ntag = "P-1/flow"\nvalues = { low = 1.0, high = 1.4 }'
    config, asset = configured(told)
    assert asset_model(config, asset).mode_tags == (FLOW,)
    found = declared_map(asset.modes, None)
    assert found is not None
    assert [found.mode_of([x]) for x in (1.1, 1.3, 2.5)] == [0, 1, -1]
    assert declared_map(configured("")[1].modes, None) is None


@pytest.mark.parametrize(
    ("tag", "steady"),
    [(Tag(VALVE, range_low=0.0, range_high=200.0), 10.0), (None, 4.0)],
)
def test_modes_may_be_told_by_limits(tag: Tag | None, steady: float) -> None:
    told = '[assets.modes]\ntag = "V-1/position"\nlimits = [50.0, 80.0]\ndwell_s = 5.0'
    found = declared_map(configured(told)[1].modes, tag)
    assert found is not None
    assert found.names == ("below 50", "50 to 80", "from 80")
    assert [found.mode_of([x]) for x in (-9.0, 50.0, 90.0)] == [0, 1, 2]
    assert found.steady == (steady,)
    assert found.dwell_s == 5.0


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("[assets.modes]\nlimits = [1.0]", "name it"),
        ('[assets.modes]\ntag = "P-1/flow"', "needs values, or limits"),
        (
            '[assets.modes]\ntag = "P-1/flow"\nlimits = [1.0]\ntags = ["P-1/flow"]',
            "not both",
        ),
        ('[assets.modes]\ntag = "P-1/flow"\nlimits = [2.0, 1.0]', "must rise"),
        (
            '[assets.modes]\ntag = "P-1/flow"\nvalues = { a = 1.0, b = 1.0 }',
            "may occur twice",
        ),
        ('[assets.modes]\ntags = ["P-1/nothing"]', "no source has the tag"),
        ('[assets.sensors]\ntwins = [["P-1/flow"]]', "at least 2"),
        (
            '[assets.sensors]\ntwins = [["P-1/flow", "V-1/position"]]',
            "not among the scored tags",
        ),
        ('[assets.sensors]\ncross_checked = ["V-1/position"]', "not among the scored"),
    ],
)
def test_what_does_not_fit_together_is_a_problem_with_its_place(
    more: str, problem: str
) -> None:
    _, problems = check_text(TOML + more)
    assert any(problem in each.problem for each in problems), problems
    assert all(each.key.startswith("assets[0].") for each in problems)
