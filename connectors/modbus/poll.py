"""One poll group of one device: read every block, make one batch of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import Batch, batch_of
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION, Quality
from connectors.modbus.decode import BlockDecoder, Columns
from connectors.modbus.station import NoAnswerError
from connectors.modbus.survey import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.modbus.config import ModbusTagSettings
    from connectors.modbus.planner import Block
    from connectors.modbus.station import Station
    from connectors.modbus.survey import Answer, Survey


@dataclass(frozen=True, slots=True)
class Polled:
    """The rows of a poll, good and bad, and what was silent, if anything was."""

    batch: Batch
    failure: NoAnswerError | UnreachableError | None = None


class Poll:
    """A group of tags, while a connection lasts. `group` is its full name."""

    def __init__(
        self,
        group: str,
        survey: Survey,
        tags: Sequence[ModbusTagSettings],
        numbers: Mapping[TagId, int],
    ) -> None:
        self.group = group
        self._survey = survey
        self._tags = tags
        self._numbers = [numbers[tag.tag().id] for tag in tags]
        self._decoders: dict[Block, BlockDecoder] = {}
        self._version = -1

    async def read(self, station: Station, clock: Clock) -> Polled:
        """Read every block once and return all rows.

        When the device falls silent, what it said before is kept and the rest is bad;
        such a batch confirms nothing.

        Raises:
            SourceUnavailableError: The connection was lost.
        """
        answers: list[Answer] = []
        failure: NoAnswerError | UnreachableError | None = None
        try:
            async for answer in self._survey.read(station, clock):
                answers.append(answer)  # noqa: PERF401 - what came before a failure counts
        except (NoAnswerError, UnreachableError) as error:
            if not station.line.connected:
                raise
            failure = error
        self._forget_old_blocks()
        parts = [self._decoded(answer) for answer in answers]
        times = [answer.asked_ns for answer in answers]
        if failure is not None:
            parts.append(self._missing(answers))
            times.append(clock.utc_ns())
        batch = self._joined(parts, times, clock.utc_ns(), confirms=failure is None)
        return Polled(batch, failure)

    def _joined(
        self,
        parts: Sequence[Columns],
        times: Sequence[int],
        receive_time_ns: int,
        *,
        confirms: bool,
    ) -> Batch:
        if len(parts) == 1:
            columns, source_time_ns = parts[0], np.full(len(parts[0].tag), times[0])
        else:
            columns = _stacked(parts)
            source_time_ns = np.repeat(times, [len(each.tag) for each in parts])
        return Batch(
            columns.tag,
            source_time_ns,
            columns.value,
            columns.quality,
            columns.status,
            receive_time_ns,
            group=self.group,
            confirms=confirms,
            texts=columns.texts,
        )

    def _decoded(self, answer: Answer) -> Columns:
        decoder = self._decoders.get(answer.block)
        if decoder is None:
            decoder = BlockDecoder(answer.block, self._tags, self._numbers)
            self._decoders[answer.block] = decoder
        if answer.words is None:
            return decoder.refused(answer.status)
        return decoder.decode(answer.words, time_ns=answer.asked_ns)

    def _forget_old_blocks(self) -> None:
        if self._version != self._survey.version:
            self._version = self._survey.version
            self._decoders.clear()

    def _missing(self, answers: Sequence[Answer]) -> Columns:
        """Return one bad row per tag that was not answered for."""
        answered = {row for answer in answers for row in answer.block.rows}
        numbers = [
            number for row, number in enumerate(self._numbers) if row not in answered
        ]
        batch = batch_of(
            numbers,
            np.full(len(numbers), np.nan),
            source_time_ns=0,
            receive_time_ns=0,
            quality=Quality.BAD,
            status=STATUS_BAD_NO_COMMUNICATION,
        )
        return Columns(batch.tag, batch.value, batch.quality, batch.status)


def _stacked(parts: Sequence[Columns]) -> Columns:
    return Columns(
        np.concatenate([each.tag for each in parts]),
        np.concatenate([each.value for each in parts]),
        np.concatenate([each.quality for each in parts]),
        np.concatenate([each.status for each in parts]),
        tuple(text for each in parts for text in each.texts),
    )
