"""The page of `benchmarks.inference`."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEAD = """\
# Inference

Written by `python -m benchmarks.inference --page FILE` on {day}; {cores} cores,
{machine}, Python {python}, onnxruntime {onnxruntime}, one thread each.
The machine had other work: times show that, processor time does not.

## Many machines in one process

Ten tags each at 10 Hz, windows of 10 s, one a second, in real time; the median and the
99th percentile of one window, features, score, health and all, of its processor time,
and of a bare `session.run` of the same graph. A window is late when the next one of its
machine is due before it is judged. CPU and memory are those of the process.

| assets | values/s | windows | ms | its work | bare | all by | late | CPU | memory |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""
_ONE = """
Of the memory, {base:.0f} MB are Python, numpy and onnxruntime without a model.

## One window

A machine of twelve tags and a burst of 4096 points.

| figure | ours | beside | ratio |
|---|---:|---:|---:|
"""
_SMALLER = """
## Smaller variants

| graph | bytes | `session.run`, us | score off by | decisions changed |
|---|---:|---:|---:|---:|
"""
_SHIPPED = """
Nothing quantised, pruned or distilled is shipped, for there is nothing to gain: the
graph is a few small products in float64, which int8 leaves as they are, and most of a
call is the call itself. There is no autoencoder in it.
"""


def page(
    one: Sequence[Mapping[str, object]],
    many: Mapping[int, Mapping[str, Any]],
    small: Mapping[str, Any],
) -> str:
    """Return the page: figures of one window, of many machines, of smaller graphs."""
    head = _HEAD.format(
        day=datetime.now(UTC).date(),
        cores=os.cpu_count(),
        machine=platform.machine(),
        python=platform.python_version(),
        onnxruntime=onnxruntime.__version__,
    )
    base = many[min(many)]["before_bytes"] / 1e6
    return "".join(
        (
            head,
            *(_row(count, said) for count, said in many.items()),
            _ONE.format(base=base),
            *(
                f"| {each['name']} | {each['ours']} | {each['baseline']}"
                f" ({each['baseline_name']}) | {each['ratio']} |\n"
                for each in one
            ),
            _SMALLER,
            *_variants(small),
            _SHIPPED,
        )
    )


def _row(count: int, said: Mapping[str, Any]) -> str:
    cells = (
        str(count),
        str(said["values_per_s"]),
        str(said["windows"]),
        "{:.2f}, {:.2f}".format(*said["took_ms"]),
        "{:.2f}, {:.2f}".format(*said["cpu_ms"]),
        "{:.3f}, {:.3f}".format(*said["bare_ms"]),
        f"{said['done_after_s']:.2f} s",
        str(said["late"] + said["skipped"]),
        f"{said['cpu_share']:.0%}",
        f"{said['memory_bytes'] / 1e6:.0f} MB",
    )
    return f"| {' | '.join(cells)} |\n"


def _variants(said: Mapping[str, Any]) -> tuple[str, ...]:
    if "failed" in said:
        return (f"| int8, dynamic | not possible: {said['failed']} | | | |\n",)
    size, took = said["bytes"], said["us"]
    off = f"{said['score_off']:.1%} | {said['decisions_changed']}"
    return (
        f"| as shipped | {size['float32']} | {took['float32']:.1f} | | |\n",
        f"| int8, dynamic | {size['int8']} | {took['int8']:.1f} | {off} |\n",
    )
