from __future__ import annotations

from appliance.config import check_text
from appliance.inference.asset import asset_model
from models.features.zones import SeverityClass

TOML = """
config_version = 1
[site]
id = "site"
gateway = "gateway"
[[sources]]
name = "plant"
connector = "modbus"
host = "127.0.0.1"
[[sources.tags]]
id = "P-1/flow"
table = "input"
address = 1
[[sources.tags]]
id = "T-1/level"
table = "input"
address = 2
[[assets]]
id = "P-1"
blades = 6
gear_teeth = 23
quantities = { flow = "P-1/flow", level = "T-1/level" }
severity = { standard = "10816-7", power_kw = 22.0, category = "I" }
bearing = { balls = 8, ball_diameter_mm = 20.64, pitch_diameter_mm = 87.5 }
"""


def test_what_helps_to_name_a_fault_is_kept_but_not_scored() -> None:
    config, problems = check_text(TOML)
    assert config is not None, problems
    model = asset_model(config, config.assets[0])
    assert [tag.id for tag in model.tags] == ["P-1/flow"]
    assert model.context_tags == ("T-1/level",)
    assert (model.blades, model.gear_teeth) == (6, 23)
    assert model.severity == SeverityClass("10816-7", 22.0, category="I")
    assert model.bearing is not None
    assert model.bearing.balls == 8


def test_a_quantity_of_an_unknown_tag_is_a_mistake_with_its_place() -> None:
    wrong = TOML.replace('level = "T-1/level"', 'level = "T-9/level"')
    config, problems = check_text(wrong)
    assert config is None
    assert any("assets[0].quantities.level" in str(each) for each in problems)


def test_balls_that_do_not_fit_into_the_bearing_are_a_mistake() -> None:
    wrong = TOML.replace("ball_diameter_mm = 20.64", "ball_diameter_mm = 206.4")
    config, problems = check_text(wrong)
    assert config is None
    assert any("assets[0].bearing" in str(each) for each in problems)
