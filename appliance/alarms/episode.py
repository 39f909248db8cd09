"""An alarm that waits for an answer, and who was called about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.config.callout import StepSettings
    from appliance.domain.event import Event

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS


@dataclass(slots=True)
class Call:
    """Of one step to one target. `next_ns` is when it falls due; None: no more."""

    next_ns: int | None
    told: int = 0
    out: bool = False


@dataclass(slots=True)
class Episode:
    """An alarm that waits for an answer, and since when steps are counted.

    Those up to `through_s` are due at once. Before `quiet_ns` nothing falls due.
    """

    alarm: str
    begun_ns: int
    event: Event
    since_ns: int
    through_s: float = 0.0
    quiet_ns: int = 0
    calls: dict[tuple[float, str], Call] = field(default_factory=dict)

    def told(self, target: str) -> bool:
        """Whether a target was reached about it."""
        return any(c.told for (_, name), c in self.calls.items() if name == target)

    def pause(self, now_ns: int) -> None:
        """Somebody else speaks for it; who was not called yet is not called sooner."""
        if not any(call.told for call in self.calls.values()):
            self.since_ns = now_ns

    def was(self, begun_ns: int) -> bool:
        """Whether it may have begun then: the log makes one of what chatters."""
        return self.begun_ns <= begun_ns <= self.event.time_ns


def quiet_until_ns(episode: Episode, steps: Iterable[StepSettings], now_ns: int) -> int:
    """Return the earliest time at which any step may fall due, at most a minute away.

    Windows open on the minute.
    """
    earliest_ns = (now_ns // _MINUTE_NS + 1) * _MINUTE_NS
    for step in steps:
        due_ns = episode.since_ns + round(step.after_s * _NS)
        if due_ns > now_ns:
            earliest_ns = min(earliest_ns, due_ns)
    for call in episode.calls.values():
        if call.next_ns is not None and call.next_ns > now_ns:
            earliest_ns = min(earliest_ns, call.next_ns)
    return earliest_ns


def due_of(
    episode: Episode, steps: Iterable[StepSettings], now_ns: int
) -> Iterator[tuple[float, str]]:
    """Yield the calls of an episode that fall due, each once."""
    waited_s = (now_ns - episode.since_ns) / _NS
    seen = set()
    for step in steps:
        if episode.event.priority not in step.priorities:
            continue
        if step.after_s > max(waited_s, episode.through_s):
            continue
        for target in step.targets:
            slot = step.after_s, target
            call = episode.calls.setdefault(slot, Call(now_ns))
            ready = call.next_ns is not None and call.next_ns <= now_ns
            if ready and not call.out and slot not in seen:
                seen.add(slot)
                yield slot
