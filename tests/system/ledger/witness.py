"""A person at the gateway: gives orders, hears events, looks at the accounts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.runtime.tasks import companions
from appliance.wire.messages import EventMessage
from tests.system.ledger.observed import Promise, Told
from tests.system.ledger.stage import ALARM

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.link.client import LinkClient
    from tests.system.ledger.observed import Observed

AGAIN_S = 0.1
ORDER_S = 0.05
LOOK_S = 0.2
ANSWER_S = 30.0


class Witness:
    """Notes what the hub promises, for as long as it is let."""

    def __init__(self, socket: Path, seen: Observed) -> None:
        self._socket = socket
        self._seen = seen
        self._order = 0
        self._shelved = False
        self.giving = True
        """Whether orders are still given."""
        self.accounts: dict[str, int] = {}
        self.looks = 0

    async def run(self) -> None:
        """Watch the hub, which comes and goes, until cancelled."""
        while True:
            with suppress(LinkLostError, LinkRefusedError, TimeoutError):
                await self._once()
            await asyncio.sleep(AGAIN_S)

    async def _once(self) -> None:
        link_to = connect(self._socket, process="ledger", subscribe=("events",))
        async with link_to as link, companions() as tasks:
            tasks.start(self._hear(link), name="ledger.hear")
            tasks.start(self._look(link), name="ledger.look")
            while True:
                if self.giving:
                    await self._give_order(link)
                await asyncio.sleep(ORDER_S)

    async def _give_order(self, link: LinkClient) -> None:
        """Shelve the alarm, or put it back; an answer is a promise."""
        self._order += 1
        op = "alarms.unshelve" if self._shelved else "alarms.shelve"
        length = {} if self._shelved else {"for_s": 3600.0}
        self._shelved = not self._shelved  # or it is so by now, if it is refused
        reason = f"(order {self._order})"
        with suppress(LinkRefusedError):
            answer = await self._ask(link, op, alarm=ALARM, reason=reason, **length)
            self._seen.promises.append(Promise(self._order, tuple(answer["seq"])))

    async def _hear(self, link: LinkClient) -> None:
        async for news in link.messages():
            if isinstance(news, EventMessage) and not news.pending:
                self._seen.told.append(Told(news.seq, news.name, news.message))

    async def _look(self, link: LinkClient) -> None:
        while True:
            status = await self._ask(link, "status")
            self._seen.epochs.add(status["epoch"])
            self.accounts = status["counters"]
            self._seen.scrapes.append(self.accounts)
            self.looks += 1
            await asyncio.sleep(LOOK_S)

    @staticmethod
    async def _ask(link: LinkClient, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
        async with asyncio.timeout(ANSWER_S):
            return await link.request(op, **args)
