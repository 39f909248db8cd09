"""How often one target may be called. Pure."""

from __future__ import annotations

from collections import deque

_NS = 1_000_000_000
HOUR_NS = 3600 * _NS
_CRITICAL = 0
_LEAST = 99


_RETRY_S, _RETRY_MAX_S = 30.0, 300.0


class Pace:
    """At most `per_hour` within any hour; between two messages, time to gather.

    The last quarter of the hour's calls is kept for critical alarms. What is more
    urgent than the last message goes at once. What did not arrive is not counted, but
    the target is given time.
    """

    def __init__(self, per_hour: int, gather_s: float, flood_gather_s: float) -> None:
        self._per_hour = per_hour
        self._kept = 0 if per_hour == 1 else max(1, per_hour // 4)
        self._gather_s = gather_s
        self._flood_gather_s = flood_gather_s
        self._sent_ns: deque[int] = deque(maxlen=per_hour)
        self._rank = _LEAST
        self._failures = 0
        self._retry_ns = 0

    def allows(self, now_ns: int, rank: int, *, flood: bool) -> bool:
        """Whether a message whose most urgent alarm has `rank` may go now."""
        while self._sent_ns and now_ns - self._sent_ns[0] >= HOUR_NS:
            self._sent_ns.popleft()
        room = self._per_hour - (0 if rank == _CRITICAL else self._kept)
        if len(self._sent_ns) >= room or now_ns < self._retry_ns:
            return False
        gather_s = self._flood_gather_s if flood else self._gather_s
        last_ns = self._sent_ns[-1] if self._sent_ns else None
        gathering = last_ns is not None and now_ns - last_ns < gather_s * _NS
        return not gathering or rank < self._rank

    def sent(self, now_ns: int, rank: int) -> None:
        """Take note of a message that arrived."""
        self._sent_ns.append(now_ns)
        self._rank = rank
        self._failures, self._retry_ns = 0, 0

    def failed(self, now_ns: int) -> None:
        """Take note of one that did not."""
        wait_s = min(_RETRY_S * 2.0**self._failures, _RETRY_MAX_S)
        self._failures = min(self._failures + 1, 10)
        self._retry_ns = now_ns + round(wait_s * _NS)
