"""Real bearings with known faults; third-party data that stays where it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from models.features import BearingGeometry
from models.features.vibration import envelope_spectrum, line_levels_db

_ROOT = os.environ.get("WHEELTAPPER_DATA", "")
_FOLDER = Path(_ROOT) / "mfpt"
_POINTS = 16_384
BEARING = BearingGeometry(balls=8, ball_diameter_mm=5.969, pitch_diameter_mm=31.623)
WRONG_BEARING = BearingGeometry(balls=11, ball_diameter_mm=9.0, pitch_diameter_mm=40.0)

pytestmark = pytest.mark.skipif(
    not _ROOT or not _FOLDER.is_dir(),
    reason="WHEELTAPPER_DATA names no folder with mfpt/ in it",
)


def levels_of(race: str, geometry: BearingGeometry) -> np.ndarray:
    """Return bpfo and bpfi levels [windows, 2] of all files with that fault."""
    io = pytest.importorskip("scipy.io")
    levels = []
    for path in sorted(_FOLDER.glob(f"{race}RaceFault_vload_*.mat")):
        record = io.loadmat(path, squeeze_me=True)["bearing"]
        points, rate_hz = record["gs"].item(), float(record["sr"].item())
        frequencies = geometry.frequencies(60.0 * float(record["rate"].item()))
        for first in range(0, len(points) - _POINTS + 1, _POINTS):
            burst = points[first : first + _POINTS]
            envelope = envelope_spectrum(burst, rate_hz)
            levels.append(line_levels_db(envelope, frequencies)[:2])
    return np.array(levels)


def test_every_outer_race_fault_shows_the_outer_line() -> None:
    outer, inner = levels_of("Outer", BEARING).T
    assert len(outer) >= 40
    assert (outer > inner).all()


def test_every_inner_race_fault_shows_the_inner_line() -> None:
    outer, inner = levels_of("Inner", BEARING).T
    assert len(inner) >= 40
    assert (inner > outer).all()


@pytest.mark.parametrize("race", ["Outer", "Inner"])
def test_the_wrong_bearing_shows_hardly_a_line(race: str) -> None:
    right = levels_of(race, BEARING).max(axis=1)
    wrong = levels_of(race, WRONG_BEARING).max(axis=1)
    assert np.median(right) > np.median(wrong) + 8.0
