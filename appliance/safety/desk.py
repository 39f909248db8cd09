"""Where people's wishes wait for the next scan, and learn what became of them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from appliance.safety.logic import Commands

if TYPE_CHECKING:
    from appliance.safety.channel import Reading


@dataclass(frozen=True, slots=True)
class Answer:
    """The scan has taken it: refused for these reasons, or told by event `seq`."""

    refusals: tuple[str, ...]
    seq: int


Ticket: TypeAlias = "asyncio.Future[Answer]"


class Desk:
    """A queue of commands, one taken per scan; a stop overtakes the others.

    A reset is followed by a scan without one, so that the next has its edge. Each peer
    of the link waits for its answer, so no more wait here than there are peers.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Commands, Ticket]] = deque()
        self._rested = True
        self._models: dict[str, Reading] = {}

    async def ask(self, commands: Commands) -> Answer:
        """Wait for the scan that takes the commands; return what it says."""
        ticket: Ticket = asyncio.get_running_loop().create_future()
        put = self._waiting.appendleft if commands.stop else self._waiting.append
        put((commands, ticket))
        return await ticket

    def take(self) -> tuple[Commands, Ticket | None]:
        """Return the commands of this scan, and whom to answer."""
        while self._waiting and (self._rested or self._waiting[0][0].stop):
            commands, ticket = self._waiting.popleft()
            if not ticket.cancelled():
                self._rested = not commands.reset
                return commands, ticket
        self._rested = True
        return Commands(), None

    def put_model(self, row: str, reading: Reading) -> None:
        """Leave a model's word for the next scan; the newest stands."""
        self._models[row] = reading

    def take_models(self) -> dict[str, Reading]:
        """Return what models said since the last call, by row."""
        models, self._models = self._models, {}
        return models
