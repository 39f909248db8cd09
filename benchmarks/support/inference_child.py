"""The inference of many machines in a process of its own, as fast as time goes.

python -m benchmarks.support.inference_child FOLDER ASSETS SECONDS

Prints one line of JSON. It has no scikit-learn in it, as the real one.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

from appliance.config import Config, check_text
from appliance.domain.batch import Batch, batch_of
from appliance.domain.tag import TagId
from appliance.inference.detector import BundleDetector
from appliance.inference.judge import AssetJudge
from appliance.inference.telemetry import memory_bytes
from models.bundle import read_bundle

S = 1_000_000_000
T0 = 1_800_000_000 * S
TAGS, RATE_HZ, WINDOW_S = 10, 10, 10
_SOURCE = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "x"
"""


def tags_of(asset: int) -> list[str]:
    """Return the names of a machine's tags."""
    return [f"M-{asset}/t{i}" for i in range(TAGS)]


def config_of(assets: int) -> Config:
    """Return the configuration of so many machines."""
    text = _SOURCE
    for asset in range(assets):
        for name in tags_of(asset):
            text += f'[[sources.tags]]\nid = "{name}"\nkey = "k"\n'
    for asset in range(assets):
        text += f'[[assets]]\nid = "M-{asset}"\n'
    config, problems = check_text(text)
    if config is None:
        raise SystemExit(str(problems))
    return config


def batch_at(rng: np.random.Generator, tags: int, now_ns: int) -> Batch:
    """Return a poll of all tags."""
    return batch_of(
        list(range(1, tags + 1)),
        50.0 + rng.normal(size=tags),
        source_time_ns=now_ns,
        receive_time_ns=now_ns,
        group="plant.x",
    )


def judges_of(config: Config, folder: Path) -> list[AssetJudge]:
    """Return a judge per machine, each with its model."""
    names = [tag.id for tag in (*config.measured_tags(), *config.derived_tags())]
    numbers = {TagId(name): number for number, name in enumerate(names, start=1)}
    judges = []
    for asset in config.assets:
        judge = AssetJudge(config, asset, numbers)
        (version,) = (folder / asset.id).iterdir()
        judge.use(BundleDetector.load(version))
        judges.append(judge)
    return judges


def main() -> None:
    """Load, warm up, run in real time, tell."""
    folder, assets, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    before_bytes = memory_bytes()
    config = config_of(assets)
    judges = judges_of(config, folder)
    graph = read_bundle(next((folder / "M-0").iterdir()))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    bare = onnxruntime.InferenceSession(
        graph.graph, options, providers=["CPUExecutionProvider"]
    )
    asked = {"features": graph.golden.features[:1], "mode": graph.golden.mode[:1]}
    rng, tags = np.random.default_rng(1), assets * TAGS
    took_ms, cpu_ms, bare_ms, late_s = [], [], [], []
    warm = (WINDOW_S + 2) * RATE_HZ
    begun_s, cpu_s = 0.0, 0.0
    for step in range(warm + seconds * RATE_HZ):
        if step == warm:
            begun_s, cpu_s = time.perf_counter(), time.process_time()
        planned_s = begun_s + (step - warm) / RATE_HZ
        if step > warm:
            time.sleep(max(0.0, planned_s - time.perf_counter()))
        now_ns = T0 + step * S // RATE_HZ
        batch = batch_at(rng, tags, now_ns)
        for judge in judges:
            judge.push(batch)
        for judge in judges:
            due = judge.due(now_ns)
            if due is None:
                continue
            from_s, from_cpu_s = time.perf_counter(), time.thread_time()
            judge.judge(*due, now_ns=now_ns)
            to_s, to_cpu_s = time.perf_counter(), time.thread_time()
            bare.run(None, asked)
            if step > warm:
                took_ms.append(1000.0 * (to_s - from_s))
                cpu_ms.append(1000.0 * (to_cpu_s - from_cpu_s))
                bare_ms.append(1000.0 * (time.perf_counter() - to_s))
                late_s.append(to_s - planned_s)
    whole_s = time.perf_counter() - begun_s
    said = {
        "windows": len(took_ms),
        "values_per_s": assets * TAGS * RATE_HZ,
        "took_ms": np.quantile(took_ms, (0.5, 0.99)).tolist(),
        "cpu_ms": np.quantile(cpu_ms, (0.5, 0.99)).tolist(),
        "bare_ms": np.quantile(bare_ms, (0.5, 0.99)).tolist(),
        "done_after_s": max(late_s),
        "late": sum(each > 1.0 for each in late_s),
        "skipped": sum(judge.counters["windows_skipped"] for judge in judges),
        "cpu_share": (time.process_time() - cpu_s) / whole_s,
        "memory_bytes": memory_bytes(),
        "before_bytes": before_bytes,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
