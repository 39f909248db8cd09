"""What `check` refuses of a cause-and-effect matrix."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from appliance.config import Config, InitiatorSettings, SafetySettings, check_text
from appliance.safety.row import BYPASS_HARD_S

SETPOINT = "setpoint = 7.1"
ELEMENT = 'point = "permit"'
MAINTENANCE = """\
[safety.maintenance]
output = "plc"
request = "ask"
granted = "P-101/granted"
"""
GRANTED = """\
[[safety.sources.tags]]
id = "P-101/granted"
table = "discrete"
address = 1

[[safety.sources.points]]
name = "ask"
table = "coil"
address = 5

[[safety.sources.points]]
name = "permit"
"""
HANDED_OVER = (
    ("[safety.matrix]", f"{MAINTENANCE}[safety.matrix]"),
    ('[[safety.sources.points]]\nname = "permit"\n', GRANTED),
    (f"{ELEMENT}\n\n", f'{ELEMENT}\nfeedback = "P-101/granted"\n\n'),
)
FAN = """\
[[safety.elements]]
id = "fan"
output = "plc"
point = "permit"
[safety.matrix]
"""


def problems(text: str) -> list[tuple[str, str]]:
    return [(each.key, each.problem) for each in check_text(text)[1]]


def handed_over(well: str) -> str:
    for old, new in HANDED_OVER:
        assert old in well
        well = well.replace(old, new, 1)
    return well


@pytest.mark.requirement("A14")
@pytest.mark.parametrize(
    ("keys", "sum_s"),
    [
        ("on_delay_s = 2.0", "3.6"),
        ("max_age_s = 1.0\ncomms_loss_delay_s = 1.5", "3.1"),
        ('condition = "rate"\nrate_window_s = 1.0', "2.6"),
    ],
)
def test_the_whole_response_time_is_held_to_half_of_what_the_machine_survives(
    well: str, keys: str, sum_s: str
) -> None:
    spoilt = well.replace(SETPOINT, f"{SETPOINT}\n{keys}")
    ((key, problem),) = problems(spoilt)
    assert key == "safety.initiators[0]"
    assert f"to stop 'motor' may take {sum_s} s (scan 0.1 + age" in problem
    assert "more than half of process_safety_time_s (2.5 s)" in problem
    longer = spoilt.replace(SETPOINT, f"{SETPOINT}\nprocess_safety_time_s = 8")
    assert problems(longer) == []


def test_a_sum_that_is_just_the_half_is_well(well: str) -> None:
    keys = "on_delay_s = 0.9"
    assert problems(well.replace(SETPOINT, f"{SETPOINT}\n{keys}")) == []


@pytest.mark.requirement("A15")
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('= ["motor"]', "= []", "initiator 'high vibration' stops nothing"),
        (
            '"high vibration" = ["motor"]',
            "",
            "initiator 'high vibration' stops nothing",
        ),
        (
            "[safety.matrix]",
            FAN,
            "element 'fan' is stopped by nothing",
        ),
        ('cause = "Bearing damage"', "", "a trip without cause"),
        ('action = "Inspect the bearing"', 'action = " "', "a trip without action"),
        (
            ELEMENT,
            f'{ELEMENT}\npermissives = [{{ tag = "P-101/no", above = 1 }}]',
            "no safety source has the tag 'P-101/no'",
        ),
        (
            SETPOINT,
            f'{SETPOINT}\ncondition = "rate"\nrate_window_s = 0.1',
            "'high vibration': rate_window_s is below two scans",
        ),
        (
            "[safety.matrix]",
            f"{MAINTENANCE}[safety.matrix]",
            "no safety source has the tag 'P-101/granted'",
        ),
        (
            "[safety.matrix]",
            f"{MAINTENANCE}[safety.matrix]",
            "'plc' has no writable point 'ask'",
        ),
        (
            "[safety.matrix]",
            f"{MAINTENANCE}[safety.matrix]",
            "element 'motor' has no feedback",
        ),
        (
            "[safety.matrix]",
            MAINTENANCE.replace('"plc"', '"plcc"') + "[safety.matrix]",
            "no safety source is named 'plcc'",
        ),
    ],
)
def test_a_matrix_that_cannot_do_what_it_says_is_refused(
    well: str, old: str, new: str, problem: str
) -> None:
    assert old in well
    assert problem in [found for _, found in problems(well.replace(old, new))]


def test_a_hand_over_can_be_configured(well: str) -> None:
    config, found = check_text(handed_over(well))
    assert found == ()
    assert isinstance(config, Config)
    assert config.safety.maintenance is not None
    assert config.safety.maintenance.longest_s == 600.0


@pytest.mark.parametrize("point", ["permit", "ask"])
def test_the_request_has_a_point_of_its_own(well: str, point: str) -> None:
    text = handed_over(well)
    if point == "permit":
        text = text.replace('request = "ask"', 'request = "permit"')
    else:
        text = text.replace(ELEMENT, f'{ELEMENT}\nheartbeat = "ask"')
    key = ("safety.maintenance.request", f"{point!r} is a point of element 'motor'")
    assert key in problems(text)


def test_a_permissive_of_a_tag_that_is_read_is_well(well: str) -> None:
    permissive = '{ tag = "P-101/DE/vibration_rms", below = 3 }'
    text = well.replace(ELEMENT, f"{ELEMENT}\npermissives = [{permissive}]")
    assert problems(text) == []


def test_an_element_of_an_unknown_output_is_named_once(well: str) -> None:
    spoilt = well.replace('output = "plc"', 'output = "plcc"')
    assert [key for key, _ in problems(spoilt)] == ["safety.elements[0].output"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"channels": ("a", "b")}, "vote 1oo1 needs 1 channels, 2 given"),
        ({"channels": ("a", "a"), "vote": "1oo2"}, "named twice"),
        ({"condition": "rate", "setpoint": 0.0}, "a setpoint above 0"),
        ({"condition": "rate", "deadband": 7.0}, "deadband of a rate"),
        ({"condition": "outside"}, "needs setpoint_low"),
        ({"condition": "outside", "setpoint_low": 6.0, "deadband": 0.5}, "nothing"),
        ({"setpoint_low": 1.0}, "setpoint_low belongs to condition outside"),
        ({"direction": "fall"}, "direction belongs to condition rate, not high"),
        ({"rate_window_s": 1.0}, "rate_window_s belongs to condition rate"),
        ({"condition": "deviation"}, "two channels or more"),
        (
            {"condition": "deviation", "channels": ("a", "b"), "setpoint": -1.0},
            "a deviation needs a setpoint above 0",
        ),
        (
            {"condition": "deviation", "channels": ("a", "b"), "vote": "2oo2"},
            "takes no vote",
        ),
        ({"bypass_leaves": "1oo2"}, "bypass_leaves belongs to vote 2oo3"),
        ({"source": "model"}, "a model's row has no channels"),
        (
            {"source": "model", "channels": (), "condition": "rate"},
            "a model's row cannot be a rate",
        ),
        ({"max_age_s": 3.0}, "exceeds half of"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(
    changes: dict[str, Any], why: str
) -> None:
    given = {"id": "x", "channels": ("a",), "setpoint": 7.0, **changes}
    with pytest.raises(ValidationError, match=why):
        InitiatorSettings(**given)


@pytest.mark.parametrize(
    "changes",
    [
        {"condition": "rate", "direction": "either", "rate_window_s": 9.0},
        {"condition": "outside", "setpoint_low": -1.0, "deadband": 0.5},
        {"condition": "deviation", "channels": ("a", "b", "c", "d")},
        {"vote": "2oo3", "channels": ("a", "b", "c"), "bypass_leaves": "2oo2"},
        {"source": "model", "channels": (), "max_age_s": 30.0},
    ],
)
def test_keys_that_go_together_are_well(changes: dict[str, Any]) -> None:
    given = {"id": "x", "channels": ("a",), "setpoint": 7.0, **changes}
    assert InitiatorSettings(**given).id == "x"


@pytest.mark.requirement("A10")
def test_a_bypass_has_a_hard_limit() -> None:
    assert SafetySettings().bypass_longest_s == 8 * 3600
    assert SafetySettings(bypass_longest_s=BYPASS_HARD_S).bypass_longest_s == 86_400
    with pytest.raises(ValidationError):
        SafetySettings(bypass_longest_s=BYPASS_HARD_S + 1)
