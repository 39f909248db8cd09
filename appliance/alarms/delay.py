"""On-delay, off-delay (OPC UA Part 9) and count: what of a condition counts."""

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
    """Seconds that ON must last to count, and OFF to be gone.

    With a `count`, so many onsets within `within_s` count as well, however short.
    """

    on_s: float = 0.0
    off_s: float = 0.0
    count: int = 0
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lasting:
    """Whether a condition counts (`active`), and since when the opposite is seen.

    What is not known proves nothing: it neither completes an on-delay nor clears it,
    and an off-delay begins anew after it. `onsets` are those that may still count.
    """

    condition: Condition = Condition.UNKNOWN
    active: bool = False
    since_s: float | None = None
    onsets: tuple[float, ...] = ()

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
    onsets = _onsets(delay, state, condition, now_s)
    if delay.count and len(onsets) >= delay.count:
        return Lasting(condition, active=True)
    match condition:
        case Condition.UNKNOWN:
            since_s = None if state.active else state.since_s
        case Condition.ON if state.active:
            since_s = None
        case Condition.OFF if not state.active:
            since_s = None
        case _:
            since_s = now_s if state.since_s is None else state.since_s
    seen = replace(state, condition=condition, since_s=since_s, onsets=onsets)
    return elapse(delay, seen, now_s)


def _onsets(
    delay: Delay, state: Lasting, condition: Condition, now_s: float
) -> tuple[float, ...]:
    """Return the onsets within the window, this one too, if it is one.

    After bad quality an ON is not a new one where it was pending before.
    """
    if not delay.count or state.active:
        return ()
    begins = condition is Condition.ON and not state.pending
    onsets = (*state.onsets, now_s) if begins else state.onsets
    return tuple(each for each in onsets if now_s - each <= delay.within_s)
