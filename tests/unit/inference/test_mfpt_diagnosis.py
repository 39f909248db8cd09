"""Real bearings with known faults; third-party data that stays where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.diagnosis import REFUSED, RIGHT, WRONG, Record, named, records_of

_ROOT = os.environ.get("WHEELTAPPER_DATA", "")
_FOLDER = Path(_ROOT) / "mfpt"

pytestmark = pytest.mark.skipif(
    not _ROOT or not _FOLDER.is_dir(),
    reason="WHEELTAPPER_DATA names no folder with mfpt/ in it",
)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    pytest.importorskip("scipy.io")
    return records_of(_FOLDER)


def test_every_window_is_named_by_its_fault(records: list[Record]) -> None:
    assert {each.fault for each in records} >= {"inner_race", "outer_race"}
    for record in records:
        assert set(named(record, RIGHT)) == {record.fault}, record.name


def test_a_wrong_geometry_is_refused_in_every_window(records: list[Record]) -> None:
    for record in records[::2]:
        for geometry in WRONG[:3]:
            assert set(named(record, geometry)) <= REFUSED, record.name
