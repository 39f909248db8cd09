"""What a window needs to know of the configuration."""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template

from appliance.config import Config, SiteSettings, check_text
from appliance.config.assets import AssetSettings
from appliance.config.safety import InitiatorSettings
from appliance.hub.describe import describe


def demo_config() -> Config:
    text = files("appliance.commands.demo").joinpath("demo.toml").read_text("utf-8")
    filled = Template(text).substitute(
        opcua_url="opc.tcp://127.0.0.1:4840/", modbus_port=5020, broker_port=1883
    )
    config, problems = check_text(filled)
    assert config is not None, problems
    return config


def test_the_demonstration_is_described_in_plain_words() -> None:
    found = describe(demo_config())
    assert json.loads(json.dumps(found)) == found
    (asset,) = found["assets"]
    assert (asset["id"], asset["kind"]) == ("P-101", "pump")
    assert (asset["failure_tag"], asset["failure_level"]) == (
        "P-101/DE/vibration_rms",
        7.1,
    )
    assert asset["running_tag"] == "P-101/motor/speed"
    assert "P-101/health_index" in asset["derived_tags"]
    (guard,) = found["initiators"]
    assert guard["engineering_units"] == "mm/s"
    assert guard["elements"] == ["P-101 motor"]
    assert guard["action"] == "Do not restart; inspect the drive-end bearing"
    assert {source["name"] for source in found["sources"]} == {
        "skid-opcua",
        "skid-modbus",
    }
    assert found["alarms"][0]["id"] == "P-101/anomaly_score:score"


def test_bearing_orders_are_multiples_of_the_shafts_frequency() -> None:
    orders = describe(demo_config())["assets"][0]["bearing_orders"]
    assert set(orders) == {"BPFO", "BPFI", "BSF", "FTF"}
    ratio = 20.64 / 87.5
    assert orders["BPFO"] == 4 * (1 - ratio)
    assert round(orders["BPFO"] + orders["BPFI"], 9) == 8


def test_what_is_not_configured_is_empty() -> None:
    row = InitiatorSettings(id="by model", source="model")
    config = Config(
        site=SiteSettings(id="s", gateway="g"),
        assets=(AssetSettings(id="M-1"),),
        initiators=(row,),
    )
    found = describe(config)
    assert found["assets"][0]["bearing_orders"] == {}
    assert found["assets"][0]["failure_tag"] is None
    assert found["initiators"][0]["engineering_units"] == ""
