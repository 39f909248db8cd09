"""What `wheeltapper check` finds, and how it says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import Config, ConfigError, check_text, load_config
from appliance.config.locate import line_of
from appliance.runtime.plugins import connector_names, load_connector
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FIVE = """\
p:3: site.id: missing; add id = …
p:15: sources[0].tags[0].address: Input should be a valid integer, \
unable to parse string as an integer; correct the value, not 'seven'
p:31: alarms[0].on_dely_s: unknown key; did you mean 'on_delay_s'?
p:57: safety.initiators[0].channels[0]: no safety source has the tag 'P-101/x'; \
declare it in [[safety.sources]]; safety reads by itself
p:65: safety.elements[0].output: no safety source is named 'plcc'; \
declare it in [[safety.sources]]
"""


def keys(text: str) -> list[str]:
    return [problem.key for problem in check_text(text)[1]]


def test_a_well_formed_configuration_is_accepted(well: str) -> None:
    config, problems = check_text(well)
    assert problems == ()
    assert isinstance(config, Config)
    assert [tag.id for tag in config.measured_tags()] == [
        "P-101/flow",
        "P-101/DE/vibration_rms",
    ]
    assert config.matrix == {"high vibration": ("motor",)}
    assert config.uplink is None


def test_tags_are_found_by_name_measured_or_derived(well: str) -> None:
    config, _ = check_text(well)
    assert config is not None
    flow = config.measured_tags()[0]
    assert config.tag(flow.id) == flow
    assert config.tag(config.derived_tags()[0].id) is not None
    assert config.tag(type(flow.id)("P-999/flow")) is None


def test_five_mistakes_are_five_problems_each_with_place_and_remedy(well: str) -> None:
    text = (
        well.replace("on_delay_s = 2.0", "on_dely_s = 2.0")
        .replace("address = 7", 'address = "seven"')
        .replace('id = "plant-7"', "")
        .replace('channels = ["P-101/DE/vibration_rms"]', 'channels = ["P-101/x"]')
        .replace('output = "plc"', 'output = "plcc"')
    )
    _, problems = check_text(text)
    assert "".join(problem.text("p") + "\n" for problem in problems) == FIVE


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("config_version = 1", "config_version = 2", "config_version"),
        ("config_version = 1", "", "config_version"),
        ("[safety]\n", "[safty]\na = 1\n[safety]\n", "safty"),
        ('connector = "modbus"', 'connector = "profibus"', "sources[0].connector"),
        ('connector = "modbus"', "", "sources[0].connector"),
        ('id = "P-101/flow"', 'id = "flow"', "sources[0].tags[0].id"),
        (
            'id = "P-101/flow"',
            'id = "P-101/DE/vibration_rms"',
            "sources[0].tags[1].id",
        ),
        ("level = 7.1", "levl = 7.1", "assets[0].failure.levl"),
        (
            'failure = { tag = "P-101/DE/vibration_rms"',
            'failure = { tag = "P-101/gone"',
            "assets[0].failure.tag",
        ),
        ('tag = "P-101/anomaly_score"', 'tag = "P-9/anomaly_score"', "alarms[1].tag"),
        ("setpoint = 4.5\n", "", "alarms[0]"),
        ('"high vibration" = ["motor"]', '"low" = ["motor"]', "safety.matrix.low"),
        ('"high vibration" = ["motor"]', "", "safety.matrix"),
        (
            '"high vibration" = ["motor"]',
            '"high vibration" = ["pump"]',
            "safety.matrix.high vibration",
        ),
        (
            '"high vibration" = ["motor"]',
            '"high vibration" = "motor"',
            "safety.matrix.high vibration",
        ),
        ('point = "permit"', 'point = "prmit"', "safety.elements[0].point"),
        (
            'point = "permit"',
            'point = "permit"\nfeedback = "P-101/x"',
            "safety.elements[0].feedback",
        ),
        (
            "setpoint = 7.1",
            "setpoint = 7.1\nprocess_safety_time_s = 1.0",
            "safety.initiators[0]",
        ),
        ("setpoint = 7.1", 'setpoint = 7.1\nvote = "1oo2"', "safety.initiators[0]"),
        ('mode = "observe"', "scan_period_s = 1.0", "safety.initiators[0]"),
        ('mode = "observe"', 'mode = "off"', "safety.mode"),
        (
            "[safety.matrix]",
            '[storage]\nquota = "1 GB"\n[safety.matrix]',
            "storage.quota",
        ),
    ],
)
def test_a_mistake_is_found_at_its_place(
    well: str, old: str, new: str, key: str
) -> None:
    assert old in well
    assert key in keys(well.replace(old, new, 1))


def test_a_second_source_or_alarm_of_the_same_name_is_a_mistake(well: str) -> None:
    source = '\n[[sources]]\nname = "skid"\nconnector = "modbus"\nhost = "b"\n'
    alarm = '\n[[alarms]]\ntag = "P-101/anomaly_score"\nrule = "score"\n'
    assert keys(well + source + alarm) == ["alarms[2]", "sources[1].name"] or keys(
        well + source + alarm
    ) == ["sources[1].name", "alarms[2]"]


def test_sections_of_the_wrong_shape_are_named() -> None:
    text = 'config_version = 1\nsources = "all"\nsite = 3\n'
    assert keys(text) == ["sources", "site", "site.gateway", "site.id"]


def test_a_syntax_error_is_one_problem_with_its_line() -> None:
    _, problems = check_text("config_version = = 1")
    assert len(problems) == 1
    assert "line 1" in problems[0].problem


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "absent.toml")


def test_loading_a_bad_file_raises_all_its_problems(tmp_path: Path, well: str) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(well.replace("rule =", "rul =").replace("host =", "hots ="))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.problems) > 3
    path.write_text(well)
    assert load_config(path).site.id == "plant-7"


def every_settings_class() -> Iterator[type[Settings]]:
    for name in connector_names():
        load_connector(name)
    waiting: list[type[Settings]] = [Settings]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting.extend(kind.__subclasses__())


def test_no_settings_class_accepts_an_unknown_key_or_a_change() -> None:
    classes = list(every_settings_class())
    assert len(classes) > 15
    for kind in classes:
        assert kind.model_config.get("extra") == "forbid", kind
        assert kind.model_config.get("frozen") is True, kind


@given(st.text())
def test_no_text_makes_the_check_fail_to_answer(text: str) -> None:
    config, problems = check_text(text)
    assert (config is None) == bool(problems)


def test_lines_are_found_in_nested_arrays_of_tables() -> None:
    text = '[[a]]\nx = 1\n[[a.b]]\ny = 1\n[[a.b]]\n"y z" = 2\n[[a]]\nx = 2\n'
    assert line_of(text, ("a", 0, "b", 1, "y z")) == 6
    assert line_of(text, ("a", 1, "x")) == 8
    assert line_of(text, ("a", 0, "b", 0, "missing")) == 3
    assert line_of(text, ("nowhere",)) == 0
