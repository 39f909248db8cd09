"""What waits to be sent to one peer: bounded, and it says what was lost."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from appliance.wire.messages import BatchMessage, Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.wire.messages import EventMessage, Message, Reply

BATCHES_MAX = 256
PRIORITY_MAX = 1024


class Outlet:
    """Queue of one peer. Replies and events go before batches.

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
        self._wake = asyncio.Event()

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
        while True:
            message = self._next()
            if message is not None:
                return message
            self._wake.clear()
            await self._wake.wait()

    def _next(self) -> Message | None:
        if self._first:
            return self._first.popleft()
        if self._lost_now:
            lost = Lost(self._lost_from_ns, self._lost_to_ns, self._lost_now)
            self._lost_now = 0
            return lost
        return self._batches.popleft() if self._batches else None

    def _lose(self, message: BatchMessage) -> None:
        if self._lost_now == 0:
            self._lost_from_ns = message.receive_time_ns
        self._lost_to_ns = message.receive_time_ns
        self._lost_now += 1
        self.lost_batches += 1
