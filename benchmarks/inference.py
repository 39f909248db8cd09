"""Inference: our detector beside a bare session, a whole window beside its budget.

python benchmarks/inference.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from appliance.domain.batch import Waveform, batch_of
from appliance.domain.tag import Tag, TagId
from appliance.inference.detector import BundleDetector
from appliance.inference.window import Windows
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
    from collections.abc import Callable

    from models.bundle import Bundle
    from models.features import FeatureVector, Window

S = 1_000_000_000
T0 = 1_800_000_000 * S
TAGS = tuple(TagId(f"P-1/tag_{i}") for i in range(12))
BURST = TagId("P-1/acceleration")
RATE_HZ, POINTS, ROWS_HZ = 10_240.0, 4096, 10
WINDOW_BUDGET_MS = 10.0
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


def medians_us(
    calls: dict[str, Callable[[], object]], *, repeats: int
) -> dict[str, float]:
    """Return the median time of each call, taken in turn so that all see one load."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begun = time.perf_counter_ns()
            call()
            times[name].append((time.perf_counter_ns() - begun) / 1000)
    return {name: statistics.median(each) for name, each in times.items()}


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
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        bundle.graph, options, providers=["CPUExecutionProvider"]
    )
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


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    figures = measure(quick=given.quick)
    for each in figures:
        print(
            f"{each['name']:<40} {each['ours']:>9} {each['baseline']:>9} "
            f"x{each['ratio']:<8} target x{each['target']:<5} "
            f"{'met' if each['met'] else 'NOT MET'} ({each['baseline_name']})"
        )
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
