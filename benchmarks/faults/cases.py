"""Every time-out and every fault, what is done about it, and what is named for it."""

from __future__ import annotations

from benchmarks.faults import inputs, lives, maintenance, outputs, people

CASES = (
    *inputs.CASES,
    *outputs.CASES,
    *lives.CASES,
    *people.CASES,
    *maintenance.CASES,
)
