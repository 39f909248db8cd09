"""From a requirement to its tests, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.generate import REFERENCE
from docs.requirements import REQUIREMENTS, requirements_page, shown_by

if TYPE_CHECKING:
    from pathlib import Path


def test_every_requirement_has_a_test_and_every_number_a_requirement() -> None:
    assert set(shown_by()) == set(REQUIREMENTS)
    assert list(REQUIREMENTS) == [f"A{number}" for number in range(1, 17)]


def test_the_page_is_current() -> None:
    page = (REFERENCE / "safety-requirements.md").read_text(encoding="utf-8")
    assert page == requirements_page(), "run make docs"


def test_markers_are_found_wherever_they_may_stand(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import pytest\n"
        'pytestmark = [pytest.mark.timeout(3), pytest.mark.requirement("A1")]\n'
        '@pytest.mark.requirement("A2")\n'
        '@pytest.mark.requirement("A3")\n'
        "async def test_one(): ...\n"
        "other = 3\n"
        '@pytest.mark.requirement("A2")\n'
        "class TestTwo: ...\n"
        "def test_three(): ...\n"
    )
    file = f"{tmp_path.name}/test_x.py"
    assert shown_by(tmp_path) == {
        "A1": [(file, "")],
        "A2": [(file, "test_one"), (file, "TestTwo")],
        "A3": [(file, "test_one")],
    }
