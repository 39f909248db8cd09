"""A smaller graph beside the one that is shipped."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.bundle import Bundle


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


def int8(bundle: Bundle) -> dict[str, Any]:
    """Quantise a graph to int8, and see what it costs and gains."""
    from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415 - needs onnx

    logging.disable(logging.WARNING)  # of every product that it leaves as it is
    golden = bundle.golden
    asked: dict[str, Any] = {"features": golden.features, "mode": golden.mode}
    with tempfile.TemporaryDirectory() as place:
        whole, small = Path(place, "whole.onnx"), Path(place, "small.onnx")
        whole.write_bytes(bundle.graph)
        try:
            quantize_dynamic(whole, small)
            graphs = {"float32": bundle.graph, "int8": small.read_bytes()}
            sessions = {name: session_of(graph) for name, graph in graphs.items()}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return {"failed": str(error).strip().splitlines()[0]}
    one = {name: array[:1] for name, array in asked.items()}
    took = medians_us(
        {name: partial(each.run, None, one) for name, each in sessions.items()},
        repeats=300,
    )
    score = {
        name: np.asarray(next(iter(each.run(["score"], asked))))
        for name, each in sessions.items()
    }
    changed = (score["int8"] > 1.0) != (score["float32"] > 1.0)
    return {
        "bytes": {name: len(graph) for name, graph in graphs.items()},
        "us": took,
        "score_off": float(np.abs(score["int8"] / score["float32"] - 1.0).max()),
        "decisions_changed": f"{int(changed.sum())} of {len(changed)}",
    }


def session_of(graph: bytes) -> onnxruntime.InferenceSession:
    """Return a session of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"]
    )
