"""A source that comes and goes makes one event a minute, not two a second. Pure."""

from __future__ import annotations

from dataclasses import dataclass

PERIOD_S = 60.0
TOLD_AT_ONCE = 4
"""Changes of a period that are told one by one: lost, back, and once more."""


@dataclass(slots=True)
class Flapping:
    """The changes of one source in the current period."""

    since_s: float = float("-inf")
    changes: int = 0
    held: int = 0

    def changed(self, now_s: float) -> bool:
        """Note a change; say whether it is told now. Ask `due` first."""
        if now_s - self.since_s >= PERIOD_S and not self.held:
            self.since_s, self.changes = now_s, 0
        self.changes += 1
        if self.changes <= TOLD_AT_ONCE:
            return True
        self.held += 1
        return False

    def due(self, now_s: float) -> int:
        """Return how many changes were held back, once their period is over."""
        if not self.held or now_s - self.since_s < PERIOD_S:
            return 0
        held, self.held = self.held, 0
        # What still flaps goes on being told once a period.
        self.since_s, self.changes = now_s, TOLD_AT_ONCE
        return held
