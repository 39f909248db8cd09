"""What goes wrong in a history, and when: decided by its seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

FAULTS_MIN, FAULTS_MAX = 2, 5
LONGEST_S = 2.0
SETTLED_S = 0.5
STEPS_S = (-3600, -5, 2, 30, 86_400)


class Kind(StrEnum):
    """A way to do harm. `kill_…` is kill -9, and a new start after `length_s`."""

    KILL_HUB = "kill_hub"
    KILL_SYNC = "kill_sync"
    KILL_BROKER = "kill_broker"
    KILL_INGEST = "kill_ingest"
    CUT = "cut"
    REFUSE = "refuse"
    BLACKHOLE = "blackhole"
    HALF_OPEN = "half_open"
    NARROW = "narrow"  # 250 KB/s
    TRICKLE = "trickle"  # 2 KB/s, in pieces
    TORN = "torn"  # every connection ends after some bytes
    DISK_FULL = "disk_full"
    CLOCK_STEP = "clock_step"


@dataclass(frozen=True)
class Planned:
    """One fault: when it begins, for how long, and a number its kind may use."""

    at_s: float
    kind: Kind
    length_s: float
    size: int


def plan_of(seed: int, *, during_s: float, without: frozenset[Kind]) -> list[Planned]:
    """Return the faults of a history in their order; they may overlap."""
    random = Random(f"ledger/{seed}")
    plan = []
    for _ in range(random.randint(FAULTS_MIN, FAULTS_MAX)):
        kind = random.choice(list(Kind))
        at_s = random.uniform(SETTLED_S, during_s)
        length_s = random.uniform(0.0, LONGEST_S)
        step_s = random.choice(STEPS_S)
        size = random.randint(100, 3000)
        if kind not in without:
            size = step_s if kind is Kind.CLOCK_STEP else size
            plan.append(Planned(at_s, kind, length_s, size))
    return sorted(plan, key=lambda fault: fault.at_s)
