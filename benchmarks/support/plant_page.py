"""What is said of the simulated plant's faults: outcomes, and the page."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.support.plant_stories import MACHINE, ONSET_S, Case

if TYPE_CHECKING:
    from collections.abc import Sequence

VELOCITY_ALARM_MM_S = 4.5
MAX_FALSE_PER_WEEK = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run.

    `delay_s` from the fault to the anomaly, None where there was none; `early` counts
    anomalies before the fault. `named` is the likeliest fault told.
    """

    case: Case
    severity: float
    delay_s: float | None
    early: int
    named: str
    findings: tuple[str, ...]
    velocity_mm_s: float

    @property
    def right(self) -> bool:
        """Whether the fault that was named is the right one."""
        return self.named in self.case.named


@dataclass(frozen=True, slots=True)
class Healthy:
    """What a healthy time gave: windows by mode, air learned with and met."""

    days: float
    false_alarms: int
    modes: dict[str, int]
    learned_degc: tuple[float, float]
    met_degc: tuple[float, float]
    worst_score: float
    findings: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def per_week(self) -> float:
        """False alarms per machine and week."""
        return self.false_alarms / (self.days / 7.0)


def page(outcomes: Sequence[Outcome], time: Healthy, *, command: str) -> str:
    """Return the page: what was found from which severity on, and the healthy time."""
    by_case: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        by_case[each.case.name].append(each)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    lines = [
        "# Faults of the simulated plant",
        "",
        f"Written by `{command}` on {datetime.now(UTC).date()}; {machine}.",
        "",
        "Each run has one fault of a constant severity (0 as new, 1 failure of its",
        f"function) from second {ONSET_S:g} on, while the load changes. A cell has the",
        "seconds to the anomaly and the fault that was named; `-` was not found.",
        f"The velocity alarm alone would sound at {VELOCITY_ALARM_MM_S:g} mm/s.",
        "",
    ]
    cases = [case.name for case in MACHINE if case.name in by_case]
    severities = [each.severity for each in by_case[cases[0]]]
    head = " | ".join(f"{each:g}" for each in severities)
    lines += [
        f"| fault | {head} | velocity alarm from |",
        "|---" * (len(severities) + 2) + "|",
    ]
    for name in cases:
        cells = " | ".join(cell_of(each) for each in by_case[name])
        lines.append(f"| {name} | {cells} | {_loud_from(by_case[name])} |")
    lines += ["", "| instrument | finding | anomaly of the machine |", "|---|---|---|"]
    for each in outcomes:
        if each.case.sensor:
            told = ", ".join(each.findings) or "nothing"
            late = "none" if each.delay_s is None else f"after {each.delay_s:.0f} s"
            lines.append(f"| {each.case.name} | {told} | {late} |")
    return "\n".join([*lines, "", *healthy_lines(time)]) + "\n"


def cell_of(outcome: Outcome) -> str:
    """Return the delay and the name that was given, in a few words."""
    if outcome.delay_s is None:
        return "-"
    named = outcome.named.replace("_", " ") or "no name"
    wrong = "" if outcome.right or not outcome.named else "wrongly: "
    return f"{outcome.delay_s:.0f} s, {wrong}{named}"


def _loud_from(outcomes: Sequence[Outcome]) -> str:
    loud = [o.severity for o in outcomes if o.velocity_mm_s > VELOCITY_ALARM_MM_S]
    return f"{min(loud):g}" if loud else "never"


def healthy_lines(time: Healthy) -> list[str]:
    """Return what a healthy time gave, as Markdown."""
    total = sum(time.modes.values())
    modes = ", ".join(f"{k} {v / total:.1%}" for k, v in sorted(time.modes.items()))
    return [
        f"## {time.days:g} healthy days",
        "",
        f"False alarms: {time.false_alarms}, {time.per_week:.2f} a week (at most",
        f"{MAX_FALSE_PER_WEEK:g}); the highest score was {time.worst_score:.2f} of its",
        "limit. Loads change five times a day, it stands every second night, the air",
        f"went from {time.met_degc[0]:.0f} to {time.met_degc[1]:.0f} degC (learned at",
        f"{time.learned_degc[0]:.0f} to {time.learned_degc[1]:.0f}). Windows: {modes}.",
        f"Diagnostics told besides: {', '.join(time.findings) or 'none'}.",
        *(f"- False, from `{cause}`" for cause in time.causes),
    ]
