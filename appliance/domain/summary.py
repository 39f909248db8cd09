"""Roll-up of one tag over one period: what goes to the cloud instead of samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts and moments of the good values of a tag within one period.

    The period is `[start_ns, start_ns + period_s)`.

    `count` good rows, `bad` others; `min`, `max`, `mean`, `std` (population) and
    `last` are NaN where `count` is 0.
    """

    tag: str
    start_ns: int
    period_s: float
    count: int
    bad: int
    min: float
    max: float
    mean: float
    std: float
    last: float
