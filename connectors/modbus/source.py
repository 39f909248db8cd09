"""A Modbus device as a source: each poll group is read at its own period."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import batch_of
from connectors.modbus.decode import BlockDecoder
from connectors.modbus.station import Station
from connectors.modbus.survey import Survey

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.modbus.config import ModbusSettings, ModbusTagSettings
    from connectors.modbus.decode import Columns
    from connectors.modbus.planner import Block
    from connectors.modbus.survey import Answer


class ModbusSource:
    """Polls a device on one connection and yields one batch per poll of a group.

    Modbus carries no time: the source time of a value is the moment it was asked
    for, so it is never fresher than the truth. A poll that was due while the
    consumer was busy is skipped, never made up for.
    """

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._settings.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """Tags by poll group; a group is named `source.group`."""
        groups: dict[str, list[TagId]] = {}
        for tag in self._settings.tags:
            groups.setdefault(self._full_name(tag.group), []).append(tag.tag().id)
        return groups

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Connect, and yield batches until the connection is lost.

        Raises:
            SourceUnavailableError: The connection failed or was lost.
        """
        polls = self._polls(numbers)
        station = await Station.connect(self._settings)
        try:
            async with aclosing(self._run(station, polls)) as batches:
                yield batches
        finally:
            station.close()

    async def _run(
        self, station: Station, polls: Sequence[_Poll]
    ) -> AsyncGenerator[Batch, None]:
        clock = self._clock
        due_s = dict.fromkeys(polls, clock.now_s())
        while due_s:
            poll = min(due_s, key=due_s.__getitem__)
            await clock.sleep(due_s[poll] - clock.now_s())
            yield await poll.read(station, clock)
            due_s[poll] = next_due_s(due_s[poll], poll.period_s, now_s=clock.now_s())

    def _polls(self, numbers: Mapping[TagId, int]) -> list[_Poll]:
        return [
            _Poll(self._full_name(group), period_s, self._survey(tags), tags, numbers)
            for group, period_s in self._settings.periods_s.items()
            if (tags := self._tags_of(group))
        ]

    def _tags_of(self, group: str) -> list[ModbusTagSettings]:
        return [tag for tag in self._settings.tags if tag.group == group]

    def _survey(self, tags: Sequence[ModbusTagSettings]) -> Survey:
        return Survey(self.name, tags, self._settings.limits)

    def _full_name(self, group: str) -> str:
        return f"{self.name}.{group}"


def next_due_s(due_s: float, period_s: float, *, now_s: float) -> float:
    """Return the next moment of the grid `due_s + n * period_s` that is not past."""
    missed = max(0, int((now_s - due_s) // period_s))
    return due_s + (missed + 1) * period_s


class _Poll:
    """One poll group of an open connection."""

    def __init__(
        self,
        group: str,
        period_s: float,
        survey: Survey,
        tags: Sequence[ModbusTagSettings],
        numbers: Mapping[TagId, int],
    ) -> None:
        self.period_s = period_s
        self._group = group
        self._survey = survey
        self._tags = tags
        self._numbers = [numbers[tag.tag().id] for tag in tags]
        self._decoders: dict[Block, BlockDecoder] = {}

    async def read(self, station: Station, clock: Clock) -> Batch:
        """Read every block once and return all rows, good and bad.

        Raises:
            SourceUnavailableError: The connection was lost.
        """
        answers = [answer async for answer in self._survey.read(station, clock)]
        columns = [self._decoded(answer) for answer in answers]
        rows = [len(each.tag) for each in columns]
        return batch_of(
            np.concatenate([each.tag for each in columns]),
            np.concatenate([each.value for each in columns]),
            source_time_ns=np.repeat([each.asked_ns for each in answers], rows),
            receive_time_ns=clock.utc_ns(),
            quality=np.concatenate([each.quality for each in columns]),
            status=np.concatenate([each.status for each in columns]),
            group=self._group,
            texts=tuple(text for each in columns for text in each.texts),
        )

    def _decoded(self, answer: Answer) -> Columns:
        decoder = self._decoders.get(answer.block)
        if decoder is None:
            decoder = BlockDecoder(answer.block, self._tags, self._numbers)
            self._decoders[answer.block] = decoder
        if answer.words is None:
            return decoder.refused(answer.status)
        return decoder.decode(answer.words, time_ns=answer.asked_ns)
