"""What the link takes: measured from what is sent and when the broker has it. Pure.

Throughput as BBR measures it: what was delivered between the sending of a payload and
its PUBACK, over that time. A payload that flew with few others says only that the
link takes at least so much.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_FLYING_BYTES = 64 * 1024
FLYING_MIN_BYTES, FLYING_MAX_BYTES = 8 * 1024, 1_000_000
PAYLOAD_MIN_BYTES = 2_000
STANDING_S = 1.0
"""What is under way may delay what is urgent by so much."""
PAYLOAD_S = 0.5
STALLED_MIN_S, STALLED_MAX_S = 20.0, 120.0
"""Between these: how long nothing may be answered before the link counts as dead."""
STALLED_ROUNDS = 20.0
FULL_MIN = 8
"""So many payloads must have filled the link before a time to drain is told."""
_SHARE = 0.25
_STALLS_MAX = 8
_ROUND_S = 0.05
"""Shorter times between sending and PUBACK say little about throughput."""


@dataclass(frozen=True, slots=True)
class _Flight:
    size_bytes: int
    sent_s: float
    delivered_bytes: int
    full: bool


class LinkMeter:
    """Round trip and throughput of a link; time is an argument."""

    def __init__(self) -> None:
        self.rtt_s: float | None = None
        """Smoothed time from a PUBLISH to its PUBACK."""
        self.bytes_per_s: float | None = None
        """It takes at least so much."""
        self._full_bytes_per_s = 0.0
        self._full_seen = 0
        self.up_s = 0.0
        self.down_s = 0.0
        self._flights: dict[int, _Flight] = {}
        self._flying_bytes = 0
        self._delivered_bytes = 0
        self._since_s: float | None = None
        self._up = False
        self._stalls = 0

    def connected(self, now_s: float) -> None:
        """Note that the link is there."""
        self._turn(now_s, up=True)

    def disconnected(self, now_s: float) -> None:
        """Note that the link is gone, and what was on it."""
        self._turn(now_s, up=False)
        self._flights.clear()
        self._flying_bytes = 0

    def sent(self, key: int, size_bytes: int, now_s: float) -> None:
        """Note a payload that was handed to the connection."""
        full = self._flying_bytes + size_bytes > self.flying_max_bytes // 2
        self._flights[key] = _Flight(size_bytes, now_s, self._delivered_bytes, full)
        self._flying_bytes += size_bytes

    def answered(self, key: int, now_s: float) -> None:
        """Note its PUBACK; one of a payload that is not known says nothing."""
        flight = self._flights.pop(key, None)
        if flight is None:
            return
        self._flying_bytes -= flight.size_bytes
        self._delivered_bytes += flight.size_bytes
        self._stalls = 0
        took_s = max(now_s - flight.sent_s, 1e-6)
        self.rtt_s = took_s if self.rtt_s is None else _near(self.rtt_s, took_s)
        delivered = self._delivered_bytes - flight.delivered_bytes
        self._learn(delivered / max(took_s, _ROUND_S), full=flight.full)

    @property
    def flying_max_bytes(self) -> int:
        """How much may be under way: what is live waits `STANDING_S` at most."""
        if self.bytes_per_s is None:
            return FIRST_FLYING_BYTES
        wanted = int(self.bytes_per_s * STANDING_S)
        return min(max(wanted, FLYING_MIN_BYTES), FLYING_MAX_BYTES)

    @property
    def payload_max_bytes(self) -> int:
        """How long a payload may be, so that it fits into a short time of link."""
        if self.bytes_per_s is None:
            return FIRST_FLYING_BYTES
        return max(int(self.bytes_per_s * PAYLOAD_S), PAYLOAD_MIN_BYTES)

    @property
    def stalled_after_s(self) -> float:
        """How long the broker may owe an answer before the link counts as dead.

        A half-open connection is noticed in `STALLED_ROUNDS` of the link's own round
        trips, twice as many after each time in vain; where none is known yet the link
        may be a very slow one.
        """
        if self.rtt_s is None:
            return STALLED_MAX_S
        patience_s = max(self.rtt_s * STALLED_ROUNDS, STALLED_MIN_S)
        return min(patience_s * (1 << self._stalls), STALLED_MAX_S)

    def stalled(self) -> None:
        """Note that an answer was given up: the link may have become a slow one."""
        self._stalls = min(self._stalls + 1, _STALLS_MAX)

    def duty(self, now_s: float) -> float:
        """Return the part of the time in which the link was up; 1.0 at the beginning.

        Old times fade: what counts is about the last day.
        """
        self._turn(now_s, up=self._up)
        whole_s = self.up_s + self.down_s
        return 1.0 if whole_s <= 0.0 else self.up_s / whole_s

    def drain_s(self, backlog_bytes: float, now_s: float) -> float | None:
        """Return how long a backlog will take on this link as it comes and goes.

        None: not known yet, for it was never filled, or it is never up.
        """
        if backlog_bytes <= 0:
            return 0.0
        if self._full_seen < FULL_MIN:
            return None
        rate = self._full_bytes_per_s * self.duty(now_s)
        return backlog_bytes / rate if rate > 0.0 else None

    def _learn(self, rate: float, *, full: bool) -> None:
        if full:
            self._full_seen += 1
            known = self._full_bytes_per_s
            self._full_bytes_per_s = rate if rate > known else _near(known, rate)
        if self.bytes_per_s is None or rate > self.bytes_per_s:
            self.bytes_per_s = rate
        elif full:
            self.bytes_per_s = _near(self.bytes_per_s, rate)

    def _turn(self, now_s: float, *, up: bool) -> None:
        if self._since_s is not None:
            passed_s = max(now_s - self._since_s, 0.0)
            if self._up:
                self.up_s += passed_s
            else:
                self.down_s += passed_s
            whole_s = self.up_s + self.down_s
            if whole_s > _MEMORY_S:
                self.up_s *= _MEMORY_S / whole_s
                self.down_s *= _MEMORY_S / whole_s
        self._since_s, self._up = now_s, up


_MEMORY_S = 86_400.0


def _near(known: float, found: float) -> float:
    return known + _SHARE * (found - known)
