"""What waits to be sent to one peer: bounded, and it says what was lost."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from appliance.wire.messages import BatchMessage, Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.link.newest import NewestCursor, Touched
    from appliance.wire.messages import EventMessage, Message, Reply

BATCHES_MAX = 256
PRIORITY_MAX = 1024


class Outlet:
    """Queue of one peer. Replies and events go before batches, these before the newest.

    A peer that falls behind loses the oldest batches and is told which interval
    (`Lost`). A peer that lets `PRIORITY_MAX` replies and events pile up does not
    read: `overrun` is called, to disconnect it.
    """

    def __init__(self, overrun: Callable[[], None]) -> None:
        self.lost_batches = 0
        self._overrun = overrun
        self._batches: deque[BatchMessage] = deque()
        self._first: deque[Reply | EventMessage] = deque()
        self._lost_from_ns = 0
        self._lost_to_ns = 0
        self._lost_now = 0
        self._newest: NewestCursor | None = None
        self._burst: deque[BatchMessage] = deque()
        self._wake = asyncio.Event()

    @property
    def coalesced(self) -> int:
        """Values that a newer one replaced before this peer was sent them."""
        return 0 if self._newest is None else self._newest.coalesced

    def follow(self, newest: NewestCursor) -> None:
        """Send the newest values, too, as the cursor finds them due."""
        self._newest = newest
        self._wake.set()

    def note_newest(self, touched: Touched) -> None:
        """Note news for the cursor."""
        if self._newest is not None:
            self._newest.note(touched)
            self._wake.set()

    def put_first(self, message: Reply | EventMessage) -> None:
        """Queue a reply or an event."""
        if len(self._first) >= PRIORITY_MAX:
            self._overrun()
            return
        self._first.append(message)
        self._wake.set()

    def put_batch(self, message: BatchMessage) -> None:
        """Queue a batch; the oldest one is lost when the queue is full."""
        if len(self._batches) >= BATCHES_MAX:
            self._lose(self._batches.popleft())
        self._batches.append(message)
        self._wake.set()

    async def get(self) -> Message:
        """Return the next message to send; wait for one."""
        loop = asyncio.get_running_loop()
        while True:
            message = self._next(loop.time())
            if message is not None:
                return message
            self._wake.clear()
            await self._sleep(loop)

    async def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait to be woken, or until the newest values are due."""
        due_s = None if self._newest is None else self._newest.due_s
        alarm = None if due_s is None else loop.call_at(due_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def _next(self, now_s: float) -> Message | None:
        if self._first:
            return self._first.popleft()
        if self._lost_now:
            lost = Lost(self._lost_from_ns, self._lost_to_ns, self._lost_now)
            self._lost_now = 0
            return lost
        if self._batches:
            return self._batches.popleft()
        if not self._burst and self._newest is not None:
            self._burst.extend(self._newest.take(now_s))
        return self._burst.popleft() if self._burst else None

    def _lose(self, message: BatchMessage) -> None:
        if self._lost_now == 0:
            self._lost_from_ns = message.receive_time_ns
        self._lost_to_ns = message.receive_time_ns
        self._lost_now += 1
        self.lost_batches += 1
