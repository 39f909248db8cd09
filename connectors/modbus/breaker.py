"""When to leave a silent device in peace, and when to try it again: pure.

Every request to a dead device costs the bus its whole time-out, so after a few in a
row it is asked no more, but for one probe from time to time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.runtime.backoff import Backoff

FAILURES_TO_OPEN = 2
ANSWERS_TO_TRUST = 10


class BreakerState(StrEnum):
    """CLOSED: asked as planned; OPEN: left alone; HALF_OPEN: one probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The circuit breaker of one device; moments are monotonic seconds.

    It opens after `FAILURES_TO_OPEN` failures in a row. Then one probe is allowed after
    each delay of `backoff`; its answer closes the breaker, its failure opens it again
    for longer. Only `ANSWERS_TO_TRUST` answers in a row make the delays short again, so
    a device that comes and goes is asked less and less.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._answers = 0
        self._probe_s = 0.0

    @property
    def state(self) -> BreakerState:
        """How it stands."""
        return self._state

    @property
    def probe_s(self) -> float:
        """When the next probe is allowed, while it is open."""
        return self._probe_s

    def begin_probe(self, *, now_s: float) -> bool:
        """Take the one probe that is allowed; say whether there was one to take."""
        if self._state is not BreakerState.OPEN or now_s < self._probe_s:
            return False
        self._state = BreakerState.HALF_OPEN
        return True

    def hurry(self, *, now_s: float) -> None:
        """Allow a probe at once: there is a new reason to hope (a new connection)."""
        self._probe_s = min(self._probe_s, now_s)

    def note_answer(self) -> bool:
        """The device answered; say whether it had been given up before."""
        was_silent = self._state is not BreakerState.CLOSED
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._answers = 1 if was_silent else self._answers + 1
        if self._answers == ANSWERS_TO_TRUST:
            self._backoff.reset()
        return was_silent

    def note_failure(self, *, now_s: float) -> bool:
        """The device was silent; say whether it is given up by this."""
        was_closed = self._state is BreakerState.CLOSED
        self._answers = 0
        self._failures += 1
        if was_closed and self._failures < FAILURES_TO_OPEN:
            return False
        if self._state is not BreakerState.OPEN:
            self._state = BreakerState.OPEN
            self._probe_s = now_s + self._backoff.next_s()
        return was_closed

    def forget_probe(self, *, now_s: float) -> None:
        """The probe ended without a verdict (the line was lost, or we were stopped)."""
        if self._state is BreakerState.HALF_OPEN:
            self._state = BreakerState.OPEN
            self._probe_s = now_s


class LineWatch:
    """Tells a lost line from silent devices, while a connection lasts."""

    def __init__(self, devices: int) -> None:
        self._devices = devices
        self._given_up: set[object] = set()

    def note_answer(self, device: object) -> None:
        """A device answered, so the line is well."""
        self._given_up.discard(device)

    def note_given_up(self, device: object) -> bool:
        """A device is, or stays, given up; say whether they all are: a lost line."""
        self._given_up.add(device)
        return len(self._given_up) == self._devices
