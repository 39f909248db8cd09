"""A model learned on windows of another length brings its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from appliance.config import check_text
from appliance.domain.batch import batch_of
from appliance.domain.health import derived_tags
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.inference.detector import Verdict
from appliance.inference.judge import AssetJudge
from models.modes import ModeMap
from models.sensors import Sensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from appliance.domain.batch import Batch
    from models.features import FeatureVector

S = 1_000_000_000
AT_NS = 1_800_000_000 * S
FLOW = TagId("P-101/flow")
NUMBERS: Mapping[TagId, int] = {
    name: number
    for number, name in enumerate((FLOW, *(t.id for t in derived_tags("P-101"))), 1)
}
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
id = "P-101/flow"
key = "flow"
[[assets]]
id = "P-101"
detection = { window_s = 4.0, hop_s = 2.0 }
"""


@dataclass
class Model:
    """A detector of windows of some length; counts what it is asked."""

    window_s: float
    version: str = "v"
    limit: float = 1.0
    asked: int = 0
    mode_map: ModeMap = field(default_factory=ModeMap.single)
    sensors: Sensors = field(default_factory=Sensors)
    features: tuple[str, ...] = ()
    change_limits: dict[str, float | None] = field(default_factory=dict)

    def reference(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def examples(self) -> dict[str, list[dict[str, float]]]:
        return {}

    def judge(
        self, vector: FeatureVector, *, mode: int, without: frozenset[TagId]
    ) -> Verdict:
        assert mode == 0
        assert not without
        assert vector.names[0] == "P-101/flow:mean"
        self.asked += 1
        return Verdict(0.5, self.limit)


@pytest.fixture
def judge() -> AssetJudge:
    config, problems = check_text(TOML)
    assert config is not None, problems
    return AssetJudge(config, config.assets[0], NUMBERS)


def feed(judge: AssetJudge, from_s: int, to_s: int) -> list[float]:
    """Deliver a value a second; return how long the windows that were due are."""
    lengths = []
    for second in range(from_s, to_s):
        now_ns = AT_NS + second * S
        judge.push(flow(now_ns))
        due = judge.due(now_ns)
        if due is not None:
            lengths.append(round(due[0].duration_s, 6))
            judge.judge(*due, now_ns=now_ns)
    return lengths


def flow(now_ns: int) -> Batch:
    return batch_of(
        [1], [60.0], source_time_ns=now_ns, receive_time_ns=now_ns, group="plant"
    )


def use(judge: AssetJudge, model: Model) -> None:
    judge.use(model)  # type: ignore[arg-type] # all that a judge asks of a detector


def test_a_model_of_longer_windows_gets_longer_windows(judge: AssetJudge) -> None:
    model = Model(60.0)
    use(judge, model)
    assert judge.hop_s == 2.0
    lengths = feed(judge, 0, 70)
    assert set(lengths) == {60.0}
    assert model.asked == len(lengths) > 0


def test_a_model_of_windows_shorter_than_a_hop_is_asked_once_a_window(
    judge: AssetJudge,
) -> None:
    use(judge, Model(1.0))
    assert judge.hop_s == 1.0
    assert set(feed(judge, 0, 10)) == {1.0}


def test_a_model_of_the_same_windows_keeps_what_was_gathered(judge: AssetJudge) -> None:
    feed(judge, 0, 10)
    model = Model(4.0)
    use(judge, model)
    assert feed(judge, 10, 12) == [4.0]
    assert model.asked == 1


def test_a_window_gathered_for_the_model_before_is_not_judged(
    judge: AssetJudge,
) -> None:
    use(judge, Model(4.0))
    feed(judge, 0, 9)
    judge.push(flow(AT_NS + 10 * S))
    due = judge.due(AT_NS + 10 * S)
    assert due is not None
    longer = Model(60.0)
    use(judge, longer)
    batch = judge.judge(*due, now_ns=AT_NS + 10 * S)
    assert longer.asked == 0
    assert batch is not None
    assert set(batch.quality.tolist()) == {Quality.BAD}


def test_back_to_the_configured_windows(judge: AssetJudge) -> None:
    use(judge, Model(60.0))
    use(judge, Model(4.0))
    assert set(feed(judge, 0, 10)) == {4.0}
