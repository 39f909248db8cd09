"""Read the planned blocks, and learn which addresses a device refuses. Numpy-free."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.modbus.planner import plan, split
from connectors.modbus.station import ILLEGAL_ADDRESS, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from appliance.domain.ports import Clock
    from connectors.modbus.config import ModbusTagSettings
    from connectors.modbus.planner import Block, Limits
    from connectors.modbus.station import Station

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the device said to one block: its words, or (None) a bad status.

    `asked_ns` is when it was asked (UTC): no value of it can be fresher.
    """

    block: Block
    words: Sequence[int] | None
    status: int
    asked_ns: int


class Survey:
    """The blocks that cover some tags.

    A device refuses a whole block for one illegal address in it. Then the block is
    split until the tag at fault stands alone, and the others are read again.
    """

    def __init__(
        self, source: str, tags: Sequence[ModbusTagSettings], limits: Limits
    ) -> None:
        self._source = source
        self._tags = tags
        self._places = [tag.place for tag in tags]
        self._blocks = plan(self._places, limits)
        self._refused: set[Block] = set()

    async def read(self, station: Station, clock: Clock) -> AsyncIterator[Answer]:
        """Yield one answer per block, together one for every tag.

        Raises:
            SourceUnavailableError: The connection was lost.
        """
        waiting = list(reversed(self._blocks))
        settled: list[Block] = []
        while waiting:
            block = waiting.pop()
            answer = await self._ask(station, block, clock)
            if answer is None:
                waiting.extend(reversed(split(block, self._places)))
                continue
            settled.append(block)
            yield answer
        self._blocks = tuple(settled)

    async def _ask(self, station: Station, block: Block, clock: Clock) -> Answer | None:
        """Return the answer, or None where the block should be split."""
        asked_ns = clock.utc_ns()
        try:
            words = await station.read(block)
        except RefusedError as error:
            if error.code == ILLEGAL_ADDRESS and len(block.rows) > 1:
                return None
            self._note_refused(block, error)
            return Answer(block, None, error.status, asked_ns)
        self._note_given(block)
        return Answer(block, words, 0, asked_ns)

    def _note_refused(self, block: Block, error: RefusedError) -> None:
        if block not in self._refused:
            self._refused.add(block)
            log.warning("source %s: %s: %s", self._source, self._names(block), error)

    def _note_given(self, block: Block) -> None:
        if block in self._refused:
            self._refused.remove(block)
            log.info("source %s: %s: given again", self._source, self._names(block))

    def _names(self, block: Block) -> str:
        first = self._tags[block.rows[0]].id
        others = len(block.rows) - 1
        return f"{first} and {others} others" if others else first
