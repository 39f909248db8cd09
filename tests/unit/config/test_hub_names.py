"""Names that the hub's parts rely on."""

from __future__ import annotations

import pytest

from appliance.config import check_text

TOML = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "{name}"
connector = "example"
file = "x"
tags = [{{ id = "P-1/flow", key = "flow" }}]
[[assets]]
id = "P-1"
"""
MODEL_ROW = """
[[safety.initiators]]
id = "model says stop"
source = "model"
cause = "The model sees what it has learned to fear"
consequence = "Damage"
action = "Inspect the machine"
{tag}
[[safety.elements]]
id = "motor"
output = "plc"
point = "permit"
[safety.matrix]
"model says stop" = ["motor"]
[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
tags = [{{ id = "P-1/running", table = "discrete", address = 0 }}]
points = [{{ name = "permit", table = "coil", address = 0 }}]
"""


@pytest.mark.parametrize("name", ["safety", "inference"])
def test_a_source_is_not_named_like_one_of_our_processes(name: str) -> None:
    _, problems = check_text(TOML.format(name=name))
    assert [problem.key for problem in problems] == ["sources[0].name"]


@pytest.mark.parametrize("tag", ["", 'tag = "P-1/flow"', 'tag = "P-2/anomaly_score"'])
def test_a_models_row_names_a_derived_tag(tag: str) -> None:
    _, problems = check_text(TOML.format(name="plant") + MODEL_ROW.format(tag=tag))
    assert [problem.key for problem in problems] == ["safety.initiators[0].tag"]


def test_a_models_row_with_a_derived_tag_is_well() -> None:
    tag = 'tag = "P-1/anomaly_score"'
    _, problems = check_text(TOML.format(name="plant") + MODEL_ROW.format(tag=tag))
    assert problems == ()
