"""Read the planned blocks, and learn what a device refuses. Numpy-free."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.modbus.planner import Barrier, Block, around, plan, split
from connectors.modbus.station import ILLEGAL_ADDRESS, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from appliance.domain.ports import Clock
    from connectors.modbus.config import ModbusTagSettings
    from connectors.modbus.station import Station
    from connectors.modbus.terrain import Terrain

log = logging.getLogger(__name__)

ILLEGAL_VALUE = 3
"""What the standard wants where too many addresses are asked for at once."""

GATEWAY_SILENCE = (10, 11)
"""A gateway has no way to the device, or got no answer from it."""

_SPLITS_MAX = 32
"""How often one poll may split, so that a hunt does not keep the bus from others."""


class UnreachableError(Exception):
    """A gateway says that the device behind it does not answer; the line is well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the device said to one block: its words, or (None) a bad status.

    `asked_ns` is when it was asked (UTC): no value of it can be fresher.
    """

    block: Block
    words: Sequence[int] | None
    status: int
    asked_ns: int
    is_of_address: bool = False
    """Refused for an address in it, or for their number."""

    @property
    def can_be_split(self) -> bool:
        """Whether some of its tags may be given without the others."""
        return self.is_of_address and len(self.block.rows) > 1


class Survey:
    """The blocks that cover some tags of one device.

    A device refuses a whole block for one illegal address in it. Then the block is
    split until the tag at fault stands alone, and what is learnt goes into `terrain`,
    from which all plans are made. Where no tag is at fault, a survey that `explores`
    finds out whether the block was too long or went over a barrier.
    """

    def __init__(
        self,
        name: str,
        tags: Sequence[ModbusTagSettings],
        terrain: Terrain,
        *,
        explores: bool = False,
    ) -> None:
        self._name = name
        self._tags = tags
        self._places = [tag.place for tag in tags]
        self._terrain = terrain
        self._explores = explores
        self._version = -1
        self._blocks: tuple[Block, ...] = ()
        self._alone: tuple[int, ...] = ()
        self._in_doubt: list[Block] = []
        self._refused: set[Block] = set()

    @property
    def version(self) -> int:
        """Of the terrain for which the blocks were planned."""
        return self._version

    @property
    def smallest(self) -> Block:
        """The cheapest thing to ask, to see whether the device is there."""
        return around(self._places, (0,))

    @property
    def refused_rows(self) -> tuple[int, ...]:
        """Positions of the tags whose place the device refuses."""
        refusal_of = self._terrain.refusal_of
        return tuple(
            row
            for row, place in enumerate(self._places)
            if refusal_of(place) is not None
        )

    async def read(self, station: Station, clock: Clock) -> AsyncIterator[Answer]:
        """Yield answers that together hold every tag once.

        Raises:
            NoAnswerError: The device is silent; what was yielded before is true.
            UnreachableError: The same, in the words of a gateway.
            SourceUnavailableError: The connection was lost.
        """
        self._plan_anew()
        for block in self._blocks:
            answer = await self._ask(station, block, clock)
            if not answer.can_be_split:
                yield answer
                continue
            async for part in self._read_in_parts(station, block, clock):
                yield part
        for row in self._alone:
            yield await self._ask_alone(station, row, clock)
        if self._in_doubt:
            with suppress(RefusedError):  # busy: the halves will do
                await self._explore(station, self._in_doubt.pop())

    def _plan_anew(self) -> None:
        """Plan the blocks, if something was learnt since it was done."""
        terrain = self._terrain
        if self._version == terrain.version:
            return
        self._version = terrain.version
        self._alone = self.refused_rows
        given = [row for row in range(len(self._places)) if row not in self._alone]
        self._blocks = plan(
            self._places, terrain.limits, rows=given, barriers=terrain.barriers
        )
        self._in_doubt.clear()

    async def _ask(self, station: Station, block: Block, clock: Clock) -> Answer:
        asked_ns = clock.utc_ns()
        try:
            words = await station.read_words(block)
        except RefusedError as error:
            if error.code in GATEWAY_SILENCE:
                raise UnreachableError(f"the gateway says: {error}") from error
            answer = Answer(
                block, None, error.status, asked_ns, is_of_address=_of_address(error)
            )
            if not answer.can_be_split:
                self._note_refused(answer, error, now_s=clock.now_s())
            return answer
        if self._refused:
            self._note_given(block)
        return Answer(block, words, 0, asked_ns)

    async def _read_in_parts(
        self, station: Station, block: Block, clock: Clock
    ) -> AsyncIterator[Answer]:
        """Read a refused block in halves, and those again, down to single tags."""
        halved = [block]
        waiting = [*reversed(self._halve(block))]
        given: set[Block] = set()
        while waiting:
            part = waiting.pop()
            if len(halved) > _SPLITS_MAX:
                yield _put_off(part, clock)
                continue
            answer = await self._ask(station, part, clock)
            if answer.can_be_split:
                halved.append(part)
                waiting.extend(reversed(self._halve(part)))
                continue
            if answer.words is not None:
                given.add(part)
            yield answer
        self._in_doubt += [
            each for each in halved if given.issuperset(split(each, self._places))
        ]

    def _halve(self, block: Block) -> tuple[Block, Block]:
        """Ask for the halves from now on, whatever comes in between."""
        halves = split(block, self._places)
        at = self._blocks.index(block)
        self._blocks = (*self._blocks[:at], *halves, *self._blocks[at + 1 :])
        return halves

    async def _ask_alone(self, station: Station, row: int, clock: Clock) -> Answer:
        """Ask for a refused tag by itself, or repeat what was said of it."""
        place = self._places[row]
        block = around(self._places, (row,))
        status = self._terrain.refusal_of(place)
        if status is not None and not self._terrain.is_due(place, now_s=clock.now_s()):
            return Answer(block, None, status, clock.utc_ns())
        answer = await self._ask(station, block, clock)
        if answer.words is not None:
            self._terrain.note_given(place)
        return answer

    async def _explore(self, station: Station, block: Block) -> None:
        """Find out why a block was refused whose halves were both given.

        The longest part from its beginning that is given ends before the value at
        fault. If as many addresses around that value are given as well, the length was
        the reason; otherwise there is a barrier.
        """
        if not self._explores or await self._gives(station, block):
            return
        places, rows = self._places, block.rows
        shorter, longer = len(rows) // 2, len(rows)
        while longer - shorter > 1:
            middle = (shorter + longer) // 2
            if await self._gives(station, around(places, rows[:middle])):
                shorter = middle
            else:
                longer = middle
        begun = around(places, rows[:shorter])
        over = next(_not_longer(self._around_end(rows, shorter), begun.count), None)
        if over is not None and await self._gives(station, over):
            log.info("%s gives at most %d of %s", self._name, begun.count, block.table)
            self._terrain.learn_longest(block.table, begun.count)
            return
        end = places[rows[shorter]].end
        log.info("%s: %s: barrier at %d", self._name, block.table, begun.end)
        self._terrain.learn_barrier(Barrier(block.table, begun.end - 1, end))

    def _around_end(self, rows: Sequence[int], last: int) -> Iterator[Block]:
        """Yield the blocks of several values that end with one, the longest first."""
        for first in range(1, last):
            yield around(self._places, rows[first : last + 1])

    async def _gives(self, station: Station, block: Block) -> bool:
        try:
            await station.read(block)
        except RefusedError as error:
            if not _of_address(error):
                raise
            return False
        return True

    def _note_refused(
        self, answer: Answer, error: RefusedError, *, now_s: float
    ) -> None:
        block = answer.block
        if answer.is_of_address:
            place = self._places[block.rows[0]]
            self._terrain.note_refused(place, answer.status, now_s=now_s)
        if block not in self._refused:
            self._refused.add(block)
            log.warning("%s: %s: %s", self._name, self._names(block), error)

    def _note_given(self, block: Block) -> None:
        if block in self._refused:
            self._refused.remove(block)
            log.info("%s: %s: given again", self._name, self._names(block))

    def _names(self, block: Block) -> str:
        first = self._tags[block.rows[0]].id
        others = len(block.rows) - 1
        return f"{first} and {others} others" if others else first


def _of_address(error: RefusedError) -> bool:
    return error.code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE)


def _put_off(block: Block, clock: Clock) -> Answer:
    status = RefusedError(ILLEGAL_ADDRESS).status
    return Answer(block, None, status, clock.utc_ns())


def _not_longer(blocks: Iterator[Block], count: int) -> Iterator[Block]:
    return (block for block in blocks if block.count <= count)
