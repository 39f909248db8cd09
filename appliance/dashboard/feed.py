"""Keeps the link to one process: reconnects, asks regularly, posts what arrives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.dashboard.eventlog import PAGE
from appliance.dashboard.messages import Answered, LinkDown, LinkUp, NewsArrived
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.runtime.tasks import companions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from textual.message import Message

    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient
    from appliance.runtime.backoff import Backoff

PROCESS = "dashboard"
ANSWER_WITHIN_S = 5.0
"""A process that is linked but silent for longer is as good as gone."""
ACT_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Question:
    """An operation asked at the start of a link, and then every `every_s` if set."""

    op: str
    every_s: float | None = None
    args: Mapping[str, object] = field(default_factory=dict)


HUB_QUESTIONS = (
    Question("describe"),
    Question("alarms.list", 2.0, {"standing": True}),
    Question("alarms.overview", 5.0),
    Question("events.recent", args={"limit": PAGE}),
    Question("machine", 10.0),
    Question("status", 2.0),
    Question("outbox.status", 2.0),
)
READS = frozenset({"history", "gaps", "alarms.kpi"})
"""Asked now and then, and changing nothing; as do the regular questions."""
SAFETY_QUESTIONS = (
    Question("events.since", args={"seq": 0}),
    Question("status", 1.0),
)


class Feed:
    """One process's link, for as long as `run` runs."""

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        subscribe: tuple[str, ...],
        questions: tuple[Question, ...],
        post: Callable[[Message], object],
        clock: Clock,
        backoff: Backoff,
        only_reads: bool = False,
    ) -> None:
        self.name = name
        self._only_reads = only_reads
        self._path = path
        self._subscribe = subscribe
        self._questions = questions
        self._post = post
        self._clock = clock
        self._backoff = backoff
        self._link: LinkClient | None = None
        self._pokes = {question.op: asyncio.Event() for question in questions}
        self._again = asyncio.Event()

    async def run(self) -> None:
        """Stay linked until cancelled; the process may come and go, or hang."""
        while True:
            try:
                async with connect(
                    self._path, process=PROCESS, subscribe=self._subscribe
                ) as link:
                    await self._attend(link)
            except LinkLostError as error:
                self._post(LinkDown(self.name, str(error)))
            except TimeoutError:
                self._post(LinkDown(self.name, "it is there, but does not answer"))
            finally:
                self._link = None
            await self._clock.sleep(self._backoff.next_s())

    async def request(
        self, op: str, *, within_s: float = ANSWER_WITHIN_S, **args: object
    ) -> Any:  # noqa: ANN401 - msgpack
        """Ask once.

        Raises:
            LinkLostError: There is no link, or no answer in time.
            LinkRefusedError: It was refused, here where only reading is allowed.
        """
        if self._only_reads and op not in READS | self._pokes.keys():
            raise LinkRefusedError("this window only reads")
        link = self._link
        if link is None:
            raise LinkLostError(f"{self.name} is not connected")
        try:
            async with asyncio.timeout(within_s):
                return await link.request(op, **args)
        except TimeoutError as error:
            raise LinkLostError(f"{self.name} did not answer in time") from error

    def poke(self, op: str) -> None:
        """Ask a regular question now."""
        self._pokes[op].set()

    def greet_again(self) -> None:
        """Link anew: the tag table of the hello is out of date."""
        self._again.set()

    async def _attend(self, link: LinkClient) -> None:
        self._link = link
        self._again.clear()
        self._post(LinkUp(self.name, link.hello))
        async with companions() as tasks:
            for question in self._questions:
                work = self._ask(link, question)
                tasks.start(work, name=f"dashboard.{self.name}.{question.op}")
            tasks.start(self._listen(link), name=f"dashboard.{self.name}.news")
            await self._again.wait()
        self._backoff.reset()

    async def _listen(self, link: LinkClient) -> None:
        async for news in link.messages():
            message = NewsArrived(self.name, news)
            self._post(message)
            await message.taken.wait()

    async def _ask(self, link: LinkClient, question: Question) -> None:
        poke = self._pokes[question.op]
        while True:
            poke.clear()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    result = await link.request(question.op, **question.args)
            except LinkRefusedError:
                return  # an older process that does not offer it
            self._backoff.reset()
            self._post(Answered(self.name, question.op, result))
            if question.every_s is None:
                return
            await self._until_next(poke, question.every_s)

    async def _until_next(self, poke: asyncio.Event, every_s: float) -> None:
        async def wake() -> None:
            await self._clock.sleep(every_s)
            poke.set()

        async with companions() as tasks:
            tasks.start(wake(), name=f"dashboard.{self.name}.pause")
            await poke.wait()
