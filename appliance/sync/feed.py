"""The hub's side: read the outbox for the drain, mark what is done, tell our state."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.runtime.backoff import Backoff
from appliance.runtime.tasks import companions
from appliance.wire.messages import EventMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient
    from appliance.sync.drain import Drain

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
POLL_S = 1.0
STATUS_PERIOD_S = 2.0


class _Rows(msgspec.Struct):
    """The answer to `outbox.read`."""

    epoch: str
    rows: list[tuple[int, bytes]]


class _Waiting(msgspec.Struct):
    """Of the answer to `outbox.status`, for each stream."""

    pending_bytes: int


class Feed:
    """Keeps a link to the hub, which may come and go, and moves rows into the drain.

    `changed` is called when there is something new to send. Committed events of the
    hub wake it at once; everything else within `POLL_S`, or when it has waited long
    enough for company. `backlog` is told the bytes that wait, by stream.
    """

    def __init__(
        self,
        hub_socket: Path,
        drain: Drain,
        *,
        clock: Clock,
        spread: Callable[[], float],
        changed: Callable[[], None],
        status: Callable[[], Mapping[str, Any]],
        backlog: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self.wake = asyncio.Event()
        self._hub_socket = hub_socket
        self._drain = drain
        self._clock = clock
        self._changed = changed
        self._status = status
        self._backlog = backlog
        self._flushed = 0
        self._backoff = Backoff(0.2, 3.0, jitter=0.3, spread=spread)
        self._lost = False
        self._told = False

    async def run(self) -> None:
        """Serve the hub's outbox until cancelled."""
        while True:
            try:
                await self._once()
            except (LinkLostError, LinkRefusedError, TimeoutError) as error:
                if not self._lost:
                    log.warning("the hub's outbox cannot be read: %r", error)
                self._lost = True
            await self._clock.sleep(self._backoff.next_s())

    async def _once(self) -> None:
        async with (
            connect(self._hub_socket, process="sync", subscribe=("events",)) as link,
            companions() as tasks,
        ):
            tasks.start(self._hear(link), name="feed.hear")
            tasks.start(self._poll(), name="feed.poll")
            tasks.start(self._tell(link), name="feed.tell")
            self._drain.wake()
            while True:
                self.wake.clear()
                await self._move_all(link)
                await self.wake.wait()

    async def _move_all(self, link: LinkClient) -> None:
        while True:
            moved = await self._mark(link)
            if not await self._read(link) and not moved:
                return
            self._backoff.reset()
            if self._lost:
                log.info("the hub's outbox is back")
                self._lost = False

    async def _mark(self, link: LinkClient) -> bool:
        mark = self._drain.next_mark()
        if mark is None:
            return False
        await self._ask(
            link,
            "outbox.ack",
            epoch=mark.epoch,
            stream=str(mark.stream),
            through=mark.through,
        )
        self._drain.marked(mark)
        return True

    async def _read(self, link: LinkClient) -> bool:
        reading = self._drain.next_read()
        if reading is None:
            return False
        try:
            answer = await self._ask(
                link,
                "outbox.read",
                stream=str(reading.stream),
                after=reading.after,
                limit=reading.limit,
            )
        except (LinkLostError, TimeoutError):
            self._drain.unanswered(reading)
            raise
        try:
            got = msgspec.convert(answer, _Rows)
        except msgspec.ValidationError as error:
            raise LinkLostError(f"a broken answer of the outbox: {error}") from error
        self._drain.load(reading, got.epoch, got.rows)
        self._changed()
        return True

    async def _hear(self, link: LinkClient) -> None:
        async for news in link.messages():
            if isinstance(news, EventMessage) and not news.pending:
                self._look()

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(POLL_S)
            self._look()

    async def _tell(self, link: LinkClient) -> None:
        """Report our counters, if the hub wants to know."""
        while True:
            try:
                answer = await self._ask(
                    link, "process.status", process="sync", status=dict(self._status())
                )
                self._flush(answer)
                self._weigh(await self._ask(link, "outbox.status"))
            except LinkRefusedError as error:
                if not self._told:
                    log.info("the hub does not take our status: %s", error)
                self._told = True
            await self._clock.sleep(STATUS_PERIOD_S)

    def _flush(self, answer: object) -> None:
        """Let nothing wait any longer when the hub was asked for that."""
        if not isinstance(answer, dict):
            return
        asked = int(answer.get("flush", 0))
        if asked > self._flushed:
            self._flushed = asked
            self._drain.wake()
            self.wake.set()

    def _weigh(self, answer: object) -> None:
        try:
            found = msgspec.convert(answer, dict[str, _Waiting])
        except msgspec.ValidationError as error:
            log.warning("a broken answer of the outbox: %s", error)
            return
        self._backlog({name: each.pending_bytes for name, each in found.items()})

    def _look(self) -> None:
        self._drain.wake(self._clock.now_s())
        self.wake.set()

    @staticmethod
    async def _ask(link: LinkClient, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await link.request(op, **args)
