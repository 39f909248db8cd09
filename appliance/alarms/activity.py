"""How often an alarm comes, and for how long it stays: chattering and stale. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CHATTERS_AT, CHATTERS_WITHIN_S = 3, 60.0
"""So many activations within so long are chattering (ISA-18.2)."""
CALM_AFTER_S = 600.0
"""Without an activation for so long, it chatters no more."""
STALE_AFTER_S = 86_400.0
"""Active for longer than this is stale."""
COUNTED_WITHIN_S = 86_400.0
_KEPT = 1000


class Activity:
    """The activations of one alarm in the last day, at most the last 1000."""

    __slots__ = ("_times_s", "chattering")

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=_KEPT)
        self.chattering = False

    def activated(self, at_s: float) -> bool:
        """Note an activation; say whether it begins to chatter with it."""
        self._times_s.append(at_s)
        if self.chattering or len(self._times_s) < CHATTERS_AT:
            return False
        self.chattering = at_s - self._times_s[-CHATTERS_AT] <= CHATTERS_WITHIN_S
        return self.chattering

    def calmed(self, now_s: float) -> bool:
        """Say whether it ceases to chatter now."""
        last_s = self._times_s[-1] if self._times_s else float("-inf")
        if not self.chattering or now_s - last_s < CALM_AFTER_S:
            return False
        self.chattering = False
        return True

    def recall(self, times_s: Iterable[float]) -> None:
        """Take up again the activations before a restart, in order."""
        self._times_s.extend(times_s)

    def count(self, now_s: float) -> int:
        """Return how many activations the last day had."""
        return sum(now_s - each <= COUNTED_WITHIN_S for each in self._times_s)
