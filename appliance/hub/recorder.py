"""Events: shown at once, committed, shown again with their number.

What chatters is shown each time, but recorded as one event with a count (`chatter`).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from appliance.hub.chatter import Chatter
from appliance.storage.connection import StoreUnavailableError
from appliance.wire.events import message_of_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.wire.messages import EventMessage

log = logging.getLogger(__name__)

WAITING_MAX = 10_000
_AT_ONCE = 256


class EventStore(Protocol):
    """What the recorder needs of the store."""

    async def append_event(self, event: Event) -> int:
        """Commit an event; return its number. See `storage.store`."""
        ...


@dataclass(slots=True)
class _Waiting:
    event: Event
    done: asyncio.Future[int] | None = None


class EventRecorder:
    """Publishes events and has them committed in their order by `run`.

    Queue of `WAITING_MAX`, DROP_OLDEST: it fills only while the disk does not answer.
    What is dropped was shown, is counted, and is in the log.
    """

    def __init__(
        self,
        store: EventStore,
        publish: Callable[[EventMessage], None],
        *,
        clock: Clock,
    ) -> None:
        self._store = store
        self._publish = publish
        self._clock = clock
        self._chatter = Chatter()
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING_MAX)
        self.on_record: Callable[[Event], None] | None = None
        """Is told each event as it is recorded, in that order."""
        self.on_show: Callable[[Event], None] | None = None
        """Is told each event at once, however often it repeats."""
        self._told = 0
        self._dropped = 0

    @property
    def counters(self) -> Mapping[str, int]:
        """Events told; given up before they were recorded; counted in another one."""
        return {
            "events_told": self._told,
            "events_dropped": self._dropped,
            "events_coalesced": self._chatter.coalesced,
        }

    def tell(self, event: Event) -> None:
        """Show an event; it is committed in its turn, or with those it repeats."""
        self._show(event)
        for each in self._chatter.take(event, now_s=self._clock.now_s()):
            self._put(_Waiting(each))

    def tick(self) -> None:
        """Record what was held back long enough."""
        for each in self._chatter.due(now_s=self._clock.now_s()):
            self._put(_Waiting(each))

    async def record(self, event: Event) -> int:
        """Show an event; return its number when it is committed.

        Raises:
            StoreUnavailableError: Not committed yet; it will be, once the disk allows.
        """
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._show(event)
        for each in self._chatter.before(event):
            self._put(_Waiting(each))
        self._put(waiting)
        assert waiting.done is not None
        return await waiting.done

    async def run(self) -> None:
        """Commit what is told, for ever."""
        while True:
            burst = [await self._queue.get()]
            while len(burst) < _AT_ONCE and not self._queue.empty():
                burst.append(self._queue.get_nowait())
            await self._commit_all(burst)

    async def flush(self) -> None:
        """Commit what still waits: the last act before the store is closed."""
        for each in self._chatter.rest():
            self._put(_Waiting(each))
        await self.commit_waiting()

    async def commit_waiting(self) -> None:
        """Commit what is in the queue now; what chatters stays held."""
        while not self._queue.empty():
            await self._commit(self._queue.get_nowait())

    def _show(self, event: Event) -> None:
        self._told += 1
        self._publish(message_of_event(event, pending=True))
        if self.on_show is not None:
            self.on_show(event)

    def _put(self, waiting: _Waiting) -> None:
        if self._queue.full():
            oldest = self._queue.get_nowait()
            self._dropped += 1
            log.error("an event could not be recorded: %s", oldest.event.message)
            if oldest.done is not None:
                oldest.done.set_exception(StoreUnavailableError("too many wait"))
        self._queue.put_nowait(waiting)

    async def _commit_all(self, burst: list[_Waiting]) -> None:
        # Together, so that one transaction takes them all; tasks begin in this order.
        async with asyncio.TaskGroup() as group:
            for waiting in burst:
                group.create_task(self._commit(waiting), name="hub.event")

    async def _commit(self, waiting: _Waiting) -> None:
        if self.on_record is not None:
            self.on_record(waiting.event)
        done = waiting.done
        try:
            seq = await self._store.append_event(waiting.event)
        except StoreUnavailableError as error:  # logged by the store, once
            if done is not None and not done.done():
                done.set_exception(error)
            return
        self._publish(message_of_event(waiting.event, pending=False, seq=seq))
        if done is not None and not done.done():
            done.set_result(seq)
