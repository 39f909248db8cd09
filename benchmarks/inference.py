"""Inference: our detector beside a bare session, many machines in one process.

python -m benchmarks.inference [--quick] [--json FILE] [--page FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.domain.batch import Waveform, batch_of
from appliance.domain.tag import Tag, TagId
from appliance.inference.asset import asset_model
from appliance.inference.detector import BundleDetector
from appliance.inference.window import Windows
from benchmarks.support.inference_child import T0, S, batch_at, config_of, tags_of
from benchmarks.support.inference_page import page
from benchmarks.support.smaller import int8, medians_us, session_of
from models.bundle import write_bundle
from models.features import (
    AssetModel,
    BearingGeometry,
    FeatureTable,
    feature_names,
    feature_vector,
)
from models.train.learn import learn
from models.train.settings import TagSettings, TrainingSettings

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.features import FeatureVector, Window

TAGS = tuple(TagId(f"P-1/tag_{i}") for i in range(12))
BURST = TagId("P-1/acceleration")
RATE_HZ, POINTS, ROWS_HZ = 10_240.0, 4096, 10
WINDOW_BUDGET_MS = 10.0
MANY = (1, 10, 100)
MEMORY_MB = 250.0
LATE_S = 1.0
MODEL = AssetModel(
    "P-1",
    tuple(Tag(tag, range_low=0.0, range_high=100.0) for tag in TAGS),
    window_s=10.0,
    hop_s=1.0,
    waveform_tag=BURST,
    speed_tag=TAGS[0],
    bearing=BearingGeometry(9, 7.94, 39.04),
)
NUMBERS = {tag: i for i, tag in enumerate((*TAGS, BURST))}


def windows_of(seconds: int) -> list[Window]:
    """Feed a made-up machine through `Windows`; one window per second."""
    rng = np.random.default_rng(0)
    windows, found = Windows(MODEL, NUMBERS), []
    for i in range(seconds * ROWS_HZ):
        now_ns = T0 + i * S // ROWS_HZ
        bursts: tuple[Waveform, ...] = ()
        if i % ROWS_HZ == 0:
            points = rng.normal(size=POINTS).astype(np.float32)
            bursts = (Waveform(NUMBERS[BURST], now_ns, RATE_HZ, points),)
        windows.push(
            batch_of(
                list(range(len(TAGS))),
                50.0 + rng.normal(size=len(TAGS)),
                source_time_ns=now_ns,
                receive_time_ns=now_ns,
                group="poll",
                waveforms=bursts,
            )
        )
        window = windows.due(now_ns)
        if window is not None:
            found.append(window)
    return found


def learned(windows: list[Window]) -> tuple[Bundle, list[FeatureVector]]:
    """Learn from the windows."""
    vectors = [feature_vector(MODEL, window) for window in windows]
    rows = [(w.end_ns, v) for w, v in zip(windows, vectors, strict=True)]
    tags = tuple(TagSettings(tag, range_low=0.0, range_high=100.0) for tag in TAGS)
    settings = TrainingSettings("P-1", (*tags, TagSettings(BURST)), 10.0, 1.0)
    return learn(FeatureTable.of(feature_names(MODEL), rows), settings), vectors


def figure(
    name: str, ours: float, baseline: float, *, beside: str, target: float
) -> dict[str, object]:
    """Return one figure; lower is better, `target` is the largest good ratio."""
    ratio = ours / baseline
    return {
        "name": name,
        "ours": round(ours, 2),
        "baseline": round(baseline, 2),
        "baseline_name": beside,
        "ratio": round(ratio, 3),
        "target": target,
        "met": ratio <= target,
    }


def measure(*, quick: bool) -> list[dict[str, object]]:
    """Measure everything in one run."""
    windows = windows_of(60)
    bundle, vectors = learned(windows)
    detector = BundleDetector(bundle)
    session = session_of(bundle.graph)
    asked = {"features": bundle.golden.features[:1], "mode": bundle.golden.mode[:1]}
    outputs = ["score", "contributions"]
    window, vector = windows[-1], vectors[-1]
    scored = bundle.golden.features[0].tolist()

    def whole_window() -> None:
        detector.judge(feature_vector(MODEL, window))

    def burst_alone() -> None:
        np.fft.rfft(window.waveforms[BURST].points.astype(np.float64))

    took = medians_us(
        {
            "session": lambda: session.run(outputs, asked),
            "score": lambda: detector.score(scored),
            "judge": lambda: detector.judge(vector),
            "window": whole_window,
            "fft": burst_alone,
        },
        repeats=300 if quick else 3000,
    )
    bare, beside = took["session"], "bare session.run, us"
    budget = 1000.0 * WINDOW_BUDGET_MS
    return [
        figure("score of a row, us", took["score"], bare, beside=beside, target=1.5),
        figure("score and cause, us", took["judge"], bare, beside=beside, target=3.0),
        figure(
            "window, features and score, us", took["window"], budget,
            beside="budget of 10 ms, us", target=1.0,
        ),
        figure(
            "window, features and score (FFTs), us", took["window"], took["fft"],
            beside="one FFT of its burst, us", target=40.0,
        ),
    ]  # fmt: skip


def bundles(folder: Path, assets: int) -> None:
    """Learn a model for each of so many machines."""
    rng, model = (
        np.random.default_rng(2),
        asset_model(config_of(1), config_of(1).assets[0]),
    )
    numbers = {TagId(name): i for i, name in enumerate(tags_of(0), start=1)}
    windows, rows = Windows(model, numbers), []
    for i in range(150 * 2):
        now_ns = T0 + i * S // 2
        windows.push(batch_at(rng, len(numbers), now_ns))
        window = windows.due(now_ns)
        if window is not None:
            rows.append((window.end_ns, feature_vector(model, window)))
    table = FeatureTable.of(feature_names(model), rows)
    for asset in range(assets):
        names = tuple(each.replace("M-0/", f"M-{asset}/") for each in table.names)
        tags = tuple(TagSettings(name, "", 0.0, 100.0) for name in tags_of(asset))
        settings = TrainingSettings(f"M-{asset}", tags, 10.0, 1.0)
        write_bundle(folder, learn(replace(table, names=names), settings))


def many(*, quick: bool) -> dict[int, dict[str, Any]]:
    """Run so many machines in a process of their own, in real time."""
    seconds = "8" if quick else "60"
    with tempfile.TemporaryDirectory() as place:
        bundles(Path(place), max(MANY))
        return {
            count: json.loads(
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.support.inference_child",
                     place, str(count), seconds],
                    check=True, stdout=subprocess.PIPE, text=True, timeout=600,
                ).stdout
            )
            for count in MANY
        }  # fmt: skip


def figures_of_many(told: dict[int, dict[str, Any]]) -> list[dict[str, object]]:
    """Return the figures of many machines in one process.

    Where a window is slow but its work is not, others have the machine: what a window
    takes cannot be judged then.
    """
    found = []
    for count, said in told.items():
        for at, part in enumerate((50, 99)):
            ours, bare = said["took_ms"][at], said["bare_ms"][at]
            one = figure(
                f"window p{part}, {count} assets, ms", ours, bare,
                beside="bare session.run, ms", target=WINDOW_BUDGET_MS / bare,
            )  # fmt: skip
            if not one["met"] and said["cpu_ms"][at] <= WINDOW_BUDGET_MS:
                print(f"{one['name']}: the machine is shared, it cannot be judged")
                one["met"] = None
            found.append(one)
    most = told[max(told)]
    missed, memory_mb = most["late"] + most["skipped"], most["memory_bytes"] / 1e6
    found.append(
        figure(
            f"slowest window at {most['values_per_s']} values/s, s",
            most["done_after_s"], LATE_S, beside="when the next is due, s", target=1.0,
        ) | {"met": missed == 0}
    )  # fmt: skip
    found.append(
        figure(
            f"memory of inference, {max(told)} assets, MB", memory_mb, MEMORY_MB,
            beside="budget, MB", target=1.0,
        )
    )  # fmt: skip
    return found


_MET: dict[object, str] = {True: "met", False: "NOT MET", None: "not judged"}


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--page", type=Path, metavar="FILE")
    given = parser.parse_args()
    told = many(quick=given.quick)
    figures = measure(quick=given.quick) + figures_of_many(told)
    for each in figures:
        print(
            f"{each['name']:<44} {each['ours']:>9} {each['baseline']:>9} "
            f"x{each['ratio']:<8} target x{each['target']:<5.4g} "
            f"{_MET[each['met']]} ({each['baseline_name']})"
        )
    if given.page is not None:
        given.page.write_text(page(figures[:4], told, int8(learned(windows_of(60))[0])))
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
