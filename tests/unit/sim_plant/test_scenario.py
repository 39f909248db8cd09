"""Scenario files: what ships loads, what is misspelt is refused with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sim_plant import scenario
from sim_plant.network import LinkMode
from sim_plant.scenario import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = (
    "bearing-wear",
    "cavitation",
    "healthy",
    "link-loss",
    "overtemperature",
    "sensor-stuck",
)
SMALLEST = 'name = "a"\ntitle = "t"\n'
DEFECT = """
[[faults]]
kind = "bearing_defect"
at_s = 5
onset_severity = 0.01
growth_per_h = 0.01
"""


def test_the_six_scenarios_ship() -> None:
    assert scenario.names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_scenario_loads_under_its_own_name(name: str) -> None:
    assert scenario.load(name).name == name


def test_a_scenario_loads_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALLEST + DEFECT, encoding="utf-8")
    assert scenario.load(str(path)).plant_faults[0].at_s == 5.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("speeed = 2.0", "mine.toml: speeed: unknown key"),
        ("[process]\nvalve_percent = 3", "mine.toml: process.valve_percent: unknown"),
        (
            DEFECT.replace("growth_per_h", "grwoth_per_h"),
            "faults.0.bearing_defect.grwoth_per_h: unknown key",
        ),
        ("speed = -1.0", "mine.toml: speed: "),
        ("speed = inf", "mine.toml: speed: "),
        ('[[faults]]\nkind = "gremlin"\nat_s = 1', "mine.toml: faults.0: "),
        (
            DEFECT + '[[faults]]\nkind = "transmitter"\nat_s = 1\ntag = "P-9/x"',
            "no transmitter is called 'P-9/x'",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        scenario.parse(SMALLEST + text, place="mine.toml")
    assert said in str(refused.value)


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(ScenarioError) as refused:
        scenario.parse(SMALLEST + "speeed = 1\nsed = 2", place="mine.toml")
    assert len(str(refused.value).splitlines()) == 2


def test_what_is_not_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = = 1", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"broken\.toml: not TOML: .*line 1"):
        scenario.load(str(path))


@pytest.mark.parametrize("name", ["no-such-story", "no/such/file.toml"])
def test_an_unknown_scenario_is_refused(name: str) -> None:
    with pytest.raises(ScenarioError):
        scenario.load(name)


def test_moving_the_first_fault_moves_the_others_along() -> None:
    story = scenario.load("link-loss")
    moved = story.with_first_fault_at(2.0)
    assert [fault.at_s for fault in story.faults] == [20.0, 40.0, 60.0]
    assert [fault.at_s for fault in moved.faults] == [2.0, 22.0, 42.0]
    assert [fault.mode for fault in moved.link_faults] == [
        LinkMode.REFUSE,
        LinkMode.DROP,
        LinkMode.HANG,
    ]


def test_a_story_without_faults_has_nothing_to_move() -> None:
    healthy = scenario.load("healthy")
    assert healthy.with_first_fault_at(2.0) is healthy


def test_link_faults_are_no_faults_of_the_plant() -> None:
    story = scenario.load("link-loss")
    assert story.plant_faults == ()
    assert len(story.link_faults) == 3
