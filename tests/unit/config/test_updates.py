"""`[updates]`: where models come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.config import check_text, load_config

if TYPE_CHECKING:
    from pathlib import Path

SECTION = """
[updates]
tree = "https://releases.example/tree"
root_file = "/etc/wheeltapper/root.json"
"""


def test_the_section_is_optional_and_has_defaults(well: str) -> None:
    without, _ = check_text(well)
    assert without is not None
    assert without.updates is None
    config, problems = check_text(well + SECTION)
    assert config is not None, problems
    assert config.updates is not None
    assert (config.updates.period_s, config.updates.activate) == (45.0, "automatic")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("tree = ", "tre = ", "updates.tre"),
        ("https://", "http://", "updates.tree"),
        ("https://releases.example/tree", "file://", "updates.tree"),
        ("root_file", 'activate = "maybe"\nroot_file', "updates.activate"),
        ("root_file", "period_s = 1\nroot_file", "updates.period_s"),
        ("root_file", "root_fil", "updates.root_file"),
        ("[updates]", "[[updates]]", "updates"),
    ],
)
def test_each_mistake_is_named(well: str, old: str, new: str, key: str) -> None:
    _, problems = check_text(well + SECTION.replace(old, new, 1))
    assert key in {problem.key for problem in problems}


def test_a_configuration_knows_its_file(well: str, tmp_path: Path) -> None:
    path = tmp_path / "wheeltapper.toml"
    path.write_text(well)
    assert load_config(path).file == path
    assert load_config(path) == check_text(well)[0]
