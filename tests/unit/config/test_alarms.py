"""What alarms may say of each other, and what they leave unsaid."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from appliance.commands import alarms
from appliance.config import AlarmSettings, check_text
from appliance.config.crosscheck_alarms import unsaid, unwatched

SITE = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[assets]]
id = "P"
[[sources]]
name = "plant"
connector = "example"
file = "x"
[[sources.tags]]
id = "P/a"
key = "a"
[[sources.tags]]
id = "P/b"
key = "b"
"""
WHOLE = """
priority = "high"
cause = "c"
consequence = "q"
action = "a"
respond_within_s = 60
"""


def alarm(tag: str, more: str = "", rule: str = "high") -> str:
    return f'[[alarms]]\ntag = "{tag}"\nrule = "{rule}"\nsetpoint = 1.0\n{more}\n'


def problems(*given: str) -> list[str]:
    _, found = check_text(SITE + "".join(given))
    return [f"{each.key}: {each.problem}" for each in found]


def test_a_parent_and_a_state_of_the_plant_are_accepted() -> None:
    state = 'suppressed_while = { tag = "P/b", below = 0.5 }'
    child = alarm("P/a", f'parent = "P/b:high"\n{state}')
    assert problems(child, alarm("P/b")) == []


def test_a_parent_must_be_an_alarm() -> None:
    assert problems(alarm("P/a", 'parent = "P/b:low"')) == [
        "alarms[0].parent: there is no alarm 'P/b:low'"
    ]


def test_nobody_is_his_own_ancestor() -> None:
    found = problems(
        alarm("P/a", 'parent = "P/b:high"'), alarm("P/b", 'parent = "P/a:high"')
    )
    assert [each.split(": ")[1] for each in found] == ["it is its own ancestor"] * 2


def test_a_ring_further_up_is_told_of_its_members_alone() -> None:
    found = problems(
        alarm("P/a", 'parent = "P/a:high"'), alarm("P/b", 'parent = "P/a:high"')
    )
    assert found == ["alarms[0].parent: it is its own ancestor"]


def test_a_state_of_the_plant_needs_a_tag_that_there_is_and_a_limit() -> None:
    unknown = 'suppressed_while = { tag = "P/x", above = 1.0 }'
    assert problems(alarm("P/a", unknown)) == [
        "alarms[0].suppressed_while.tag: no source has the tag 'P/x'"
    ]
    (found,) = problems(alarm("P/a", 'suppressed_while = { tag = "P/b" }'))
    assert "say above, below, or equals" in found


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"count": 3, "on_delay_s": 5.0}, "go together"),
        ({"count_within_s": 3.0, "on_delay_s": 5.0}, "go together"),
        ({"count": 3, "count_within_s": 3.0}, "the first onset counts already"),
    ],
)
def test_a_count_needs_a_window_and_a_delay(
    keys: dict[str, float], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        AlarmSettings.model_validate({"tag": "P/a", "rule": "bad", **keys})


def test_what_an_alarm_does_not_say_is_listed_also_a_priority_by_default() -> None:
    config, _ = check_text(SITE + alarm("P/a", WHOLE) + alarm("P/b", 'action = ""'))
    assert config is not None
    assert list(unsaid(config)) == [
        ("P/b:high", ("priority", "cause", "consequence", "action", "respond_within_s"))
    ]


def test_a_limit_on_a_tag_whose_loss_nobody_would_see_is_listed() -> None:
    bad = '[[alarms]]\ntag = "P/a"\nrule = "bad"\n'
    score = '[[alarms]]\ntag = "P/health_index"\nrule = "score"\n'
    config, found = check_text(SITE + alarm("P/a") + bad + alarm("P/b") + score)
    assert config is not None, found
    assert list(unwatched(config)) == ["P/b"]


HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "set-up-alarms.md"


def test_the_how_to_is_a_configuration_that_lacks_nothing() -> None:
    text = "\n".join(re.findall(r"```toml\n(.*?)```", HOW_TO.read_text(), re.DOTALL))
    tags = sorted(set(re.findall(r'tag = "([^"]+)"', text)))
    source = SITE.split("[[sources.tags]]", maxsplit=1)[0]
    source += "".join(f'[[sources.tags]]\nid = "{tag}"\nkey = "k"\n' for tag in tags)
    config, found = check_text(source + text)
    assert config is not None, found
    assert len(config.alarms) == 5
    assert list(unsaid(config)) == []


def test_the_how_to_names_commands_that_there_are() -> None:
    parser = argparse.ArgumentParser()
    alarms.configure(parser, "alarms")
    (shell,) = re.findall(r"```sh\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    for line in shell.splitlines():
        words = shlex.split(line, comments=True)
        assert words[:2] == ["wheeltapper", "alarms"]
        assert parser.parse_args(words[2:]).act
