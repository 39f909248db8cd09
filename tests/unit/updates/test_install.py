"""Versions on the shelf: verified, activated in one step, rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.updates.install import Installed, InstallError, ModelShelf

if TYPE_CHECKING:
    from pathlib import Path


def verify(folder: Path) -> None:
    if (folder / "model").read_text() != "sound":
        raise ValueError("the digest differs")


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    for version in ("v1", "v2"):
        (tmp_path / "P-101" / version).mkdir(parents=True)
        (tmp_path / "P-101" / version / "model").write_text("sound")
    return ModelShelf(tmp_path, verify)


def test_nothing_is_active_at_first(shelf: ModelShelf, tmp_path: Path) -> None:
    assert shelf.active_folder("P-101") is None
    assert ModelShelf(tmp_path / "none", verify).installed() == ()


def test_activating_keeps_the_one_before(shelf: ModelShelf, tmp_path: Path) -> None:
    shelf.activate("P-101", "v1")
    shelf.activate("P-101", "v2")
    assert shelf.active_folder("P-101") == tmp_path / "P-101" / "v2"
    assert shelf.installed() == (
        Installed("P-101", "v1", "previous"),
        Installed("P-101", "v2", "active"),
    )


def test_activating_the_active_one_changes_nothing(shelf: ModelShelf) -> None:
    shelf.activate("P-101", "v1")
    shelf.activate("P-101", "v2")
    before = shelf.installed()
    shelf.activate("P-101", "v2")
    assert shelf.installed() == before


def test_rolling_back_returns_to_the_previous_and_forth(shelf: ModelShelf) -> None:
    with pytest.raises(InstallError, match="no previous"):
        shelf.roll_back("P-101")
    shelf.activate("P-101", "v1")
    shelf.activate("P-101", "v2")
    assert shelf.roll_back("P-101") == "v1"
    assert shelf.roll_back("P-101") == "v2"


def test_an_unsound_or_absent_version_is_refused_and_the_active_one_stays(
    shelf: ModelShelf, tmp_path: Path
) -> None:
    shelf.activate("P-101", "v1")
    (tmp_path / "P-101" / "v2" / "model").write_text("spoiled")
    with pytest.raises(InstallError, match="digest differs"):
        shelf.activate("P-101", "v2")
    with pytest.raises(InstallError, match="no model version"):
        shelf.activate("P-101", "active")
    assert shelf.active_folder("P-101") == tmp_path / "P-101" / "v1"


def test_a_bundle_from_elsewhere_comes_whole_or_not_at_all(
    shelf: ModelShelf, tmp_path: Path
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-stick"
    outside.mkdir()
    (outside / "model").write_text("sound")
    shelf.take_in(outside, "P-102", "v9")
    assert Installed("P-102", "v9", "candidate") in shelf.installed()
    with pytest.raises(InstallError, match="installed already"):
        shelf.take_in(outside, "P-102", "v9")
    (outside / "model").write_text("spoiled")
    with pytest.raises(InstallError, match="refused"):
        shelf.take_in(outside, "P-102", "v10")
    assert "v10" not in {each.version for each in shelf.installed()}
