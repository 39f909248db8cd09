"""The likely fault on the MFPT bearing records: every window, and the wrong bearing.

python benchmarks/diagnosis.py [--quick] [--json FILE]

Reads the folder `mfpt` below `WHEELTAPPER_DATA`; says so where that is absent. Beside
us runs the plain rule "the higher of the two races' lines", which names a fault always.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from appliance.inference.diagnosis import likely_faults
from appliance.inference.symptoms import measured
from models.features import AssetModel, BearingGeometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

POINTS = 16_384
RIGHT = BearingGeometry(balls=8, ball_diameter_mm=5.969, pitch_diameter_mm=31.623)
WRONG = (
    BearingGeometry(balls=7, ball_diameter_mm=9.5, pitch_diameter_mm=34.0),
    BearingGeometry(balls=9, ball_diameter_mm=7.94, pitch_diameter_mm=39.04),
    BearingGeometry(balls=11, ball_diameter_mm=9.0, pitch_diameter_mm=40.0),
    BearingGeometry(balls=8, ball_diameter_mm=20.64, pitch_diameter_mm=87.5),
    BearingGeometry(balls=12, ball_diameter_mm=8.0, pitch_diameter_mm=50.0),
    BearingGeometry(16, 8.41, 71.5, contact_angle_deg=15.17),
    BearingGeometry(balls=6, ball_diameter_mm=12.0, pitch_diameter_mm=40.0),
    BearingGeometry(balls=10, ball_diameter_mm=7.0, pitch_diameter_mm=46.0),
    BearingGeometry(balls=13, ball_diameter_mm=6.0, pitch_diameter_mm=46.0),
)
TRUTH = {"Inner": "inner_race", "Outer": "outer_race", "basel": ""}
FAULT_NAMED = "bearing fault named, windows"
WRONG_REFUSED = "wrong geometry refused, windows"
REFUSED = frozenset({"", "unknown_impacts"})
"""What a wrong geometry may be answered with: no name, or that it does not fit."""


class Record(NamedTuple):
    """One file: what is wrong (empty: nothing), and the acceleration in m/s²."""

    name: str
    fault: str
    rate_hz: float
    shaft_hz: float
    points: NDArray[np.float64]

    def windows(self) -> Iterator[NDArray[np.float64]]:
        """Yield the record in whole windows, one behind the other."""
        for first in range(0, len(self.points) - POINTS + 1, POINTS):
            yield self.points[first : first + POINTS]


def records_of(folder: Path) -> list[Record]:
    """Read every record whose name tells its fault."""
    from scipy import io  # noqa: PLC0415 - only where the records are

    found = []
    for path in sorted(folder.glob("*.mat")):
        fault = TRUTH.get(path.name[:5])
        if fault is None:
            continue
        held = io.loadmat(path, squeeze_me=True)["bearing"]
        points = 9.81 * held["gs"].item().astype(float)
        rate_hz, shaft_hz = float(held["sr"].item()), float(held["rate"].item())
        found.append(Record(path.stem, fault, rate_hz, shaft_hz, points))
    return found


def named(record: Record, geometry: BearingGeometry) -> list[str]:
    """Return the likeliest fault of each window; empty where none is named."""
    model = AssetModel("rig", (), bearing=geometry)
    answers = []
    for points in record.windows():
        speed_rpm = 60.0 * record.shaft_hz
        symptoms = measured(model, points, record.rate_hz, speed_rpm=speed_rpm)
        likely = likely_faults(symptoms)
        answers.append(likely[0].fault if likely else "")
    return answers


def by_the_higher_line(record: Record, geometry: BearingGeometry) -> list[str]:
    """Return what the plain rule says of each window."""
    model = AssetModel("rig", (), bearing=geometry)
    answers = []
    for points in record.windows():
        speed_rpm = 60.0 * record.shaft_hz
        levels = measured(model, points, record.rate_hz, speed_rpm=speed_rpm)
        inner = levels["inner_db"] > levels["outer_db"]
        answers.append("inner_race" if inner else "outer_race")
    return answers


def measure(records: Sequence[Record], *, quick: bool) -> list[dict[str, object]]:
    """Print a line per record, and return the figures."""
    right, plain, refused, named_wrong = 0, 0, 0, 0
    total, asked = 0, 0
    print(f"{'record':<28}{'right':>8}{'plain rule':>12}{'refused when wrong':>21}")
    for record in records:
        ours = named(record, RIGHT)
        simple = by_the_higher_line(record, RIGHT)
        answers: Counter[str] = Counter()
        for geometry in WRONG[:3] if quick else WRONG:
            answers.update(named(record, geometry))
        own_refused = sum(answers[each] for each in REFUSED)
        own_right = ours.count(record.fault)
        own_plain = simple.count(record.fault)
        print(
            f"{record.name:<28}{own_right:>4} / {len(ours)}"
            f"{own_plain:>8} / {len(ours)}{own_refused:>14} / {answers.total()}"
        )
        right, plain, total = right + own_right, plain + own_plain, total + len(ours)
        refused, asked = refused + own_refused, asked + answers.total()
        named_wrong += answers.total() - own_refused
    print(f"\n{right} of {total} windows right, {refused} of {asked} refused")
    return [
        figure(FAULT_NAMED, right, plain, of=total),
        figure(WRONG_REFUSED, refused, 0, of=asked),
    ]


def figure(name: str, ours: int, baseline: int, *, of: int) -> dict[str, object]:
    """Return one figure as parts of the whole; all is the target, of none unknown."""
    return {
        "name": name,
        "ours": round(ours / of, 4) if of else None,
        "baseline": round(baseline / of, 4) if of else None,
        "baseline_name": "the higher of two lines",
        "ratio": round(ours / baseline, 3) if baseline else None,
        "target": 1.0,
        "met": ours == of if of else None,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; the figures say whether a window was named wrong."""
    parser = argparse.ArgumentParser(description="The likely fault on MFPT records.")
    parser.add_argument("--quick", action="store_true", help="fewer wrong geometries")
    parser.add_argument("--json", type=Path, help="also write the figures to FILE")
    args = parser.parse_args(argv)
    folder = Path(os.environ.get("WHEELTAPPER_DATA", "")) / "mfpt"
    records = records_of(folder) if folder.is_dir() else []
    if not records:
        print("no figures: WHEELTAPPER_DATA names no folder with mfpt/ in it")
        figures = [figure(name, 0, 0, of=0) for name in (FAULT_NAMED, WRONG_REFUSED)]
    else:
        figures = measure(records, quick=args.quick)
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
