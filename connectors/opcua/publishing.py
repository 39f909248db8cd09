"""Publish requests, a few of them open at any time, and what comes back."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from asyncua import ua

from connectors.opcua.published import ServiceFaultError, published
from connectors.opcua.sequence import Sequence

if TYPE_CHECKING:
    from asyncua.common.utils import Buffer

    from connectors.opcua.connection import Connection
    from connectors.opcua.published import Published

WINDOW: Final = 3
"""Requests open at once: the server answers one while another is on its way."""
_TOO_MANY_PUBLISH_REQUESTS = 0x8078_0000


class PublishRequests:
    """Yields the messages of a session's subscriptions in the order of their arrival.

    Each message is acknowledged with the next request, and knows which ones the
    server numbered before it and never sent (`missed`). `sequences` are those of
    subscriptions that go on from an earlier connection.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        window: int = WINDOW,
        sequences: dict[int, Sequence] | None = None,
    ) -> None:
        self._connection = connection
        self._window = window
        self._open = 0
        self._answers: deque[asyncio.Future[Buffer]] = deque()
        self._arrived = asyncio.Event()
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self._sequences = {} if sequences is None else sequences

    async def next(self, *, within_s: float) -> Published:
        """Return the next message.

        Raises:
            SourceUnavailableError: The connection is lost, or silent for too long.
        """
        connection = self._connection
        while True:
            await connection.renew_if_due()
            with connection.guarded():
                self._ask()
                try:
                    async with asyncio.timeout(within_s):
                        answer = await self._answer()
                except TimeoutError as error:
                    raise ua.UaError(f"no keep-alive for {within_s:g} s") from error
                message = self._message(answer)
                if message is not None:
                    return message

    def _ask(self) -> None:
        while self._open < self._window:
            acknowledge, self._acknowledge = self._acknowledge, []
            asked = self._connection.ask_to_publish(acknowledge)
            asked.add_done_callback(self._take)
            self._open += 1

    def _take(self, answer: asyncio.Future[Buffer]) -> None:
        self._open -= 1
        if not answer.cancelled():
            answer.exception()  # looked at: a loss that nobody awaits is no accident
            self._answers.append(answer)
        self._arrived.set()

    async def _answer(self) -> Buffer:
        while not self._answers:
            self._arrived.clear()
            await self._arrived.wait()
        return self._answers.popleft().result()

    def _message(self, answer: Buffer) -> Published | None:
        """Return the message, or None where the server only wants fewer requests."""
        try:
            message = published(bytes(answer))
        except ServiceFaultError as fault:
            if fault.status == _TOO_MANY_PUBLISH_REQUESTS and self._window > 1:
                self._window -= 1
                return None
            ua.StatusCode(ua.UInt32(fault.status)).check()  # raises, with its name
            raise
        return self._noted(message)

    def _noted(self, message: Published) -> Published:
        subscription, number = message.subscription_id, message.sequence_number
        sequence = self._sequences.setdefault(subscription, Sequence())
        missed = sequence.missing(number, is_keep_alive=message.is_keep_alive)
        if not message.is_keep_alive:
            self._acknowledge.append(
                ua.SubscriptionAcknowledgement(subscription, number)
            )
        return replace(message, missed=missed) if missed else message
