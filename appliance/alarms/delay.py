"""On-delay and off-delay (OPC UA Part 9): how long a condition must last to count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Condition(StrEnum):
    """What a rule says of the process now; UNKNOWN where quality is bad."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds that ON must last to count, and OFF to be gone."""

    on_s: float = 0.0
    off_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lasting:
    """Whether a condition counts (`active`), and since when the opposite is seen.

    What is not known proves nothing: it neither completes an on-delay nor clears it,
    and an off-delay begins anew after it.
    """

    condition: Condition = Condition.UNKNOWN
    active: bool = False
    since_s: float | None = None

    @property
    def pending(self) -> bool:
        """The condition was seen, and has not yet lasted for its on-delay."""
        return not self.active and self.since_s is not None

    @property
    def leans_on(self) -> bool:
        """What holds inside a deadband, or where nobody knows."""
        if self.condition is Condition.UNKNOWN:
            return self.active or self.pending
        return self.condition is Condition.ON

    @property
    def settled(self) -> bool:
        """Nothing is under way: only another condition can change anything."""
        return self.since_s is None


def elapse(delay: Delay, state: Lasting, now_s: float) -> Lasting:
    """Let time pass: a delay that is over takes effect."""
    if state.since_s is None:
        return state
    towards = Condition.OFF if state.active else Condition.ON
    due_s = state.since_s + (delay.off_s if state.active else delay.on_s)
    if state.condition is not towards or now_s < due_s:
        return state
    return Lasting(state.condition, active=not state.active)


def observe(
    delay: Delay, state: Lasting, condition: Condition, now_s: float
) -> Lasting:
    """Take note of the condition at `now_s`. Let time `elapse` before and after."""
    match condition:
        case Condition.UNKNOWN:
            since_s = None if state.active else state.since_s
        case Condition.ON if state.active:
            since_s = None
        case Condition.OFF if not state.active:
            since_s = None
        case _:
            since_s = now_s if state.since_s is None else state.since_s
    return elapse(delay, replace(state, condition=condition, since_s=since_s), now_s)
