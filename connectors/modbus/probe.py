"""Reads tags of Modbus devices once, for a person who sets them up."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from appliance.domain.commissioning import Probed
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import (
    STATUS_BAD_NO_COMMUNICATION,
    STATUS_GOOD,
    Sample,
    bad_sample,
    quality_of_status,
)
from appliance.runtime.plugins import tag_ids
from connectors.modbus.findings import words_text
from connectors.modbus.line import Line
from connectors.modbus.registers import STATUS_BAD_DECODING, UndecodableError
from connectors.modbus.station import NoAnswerError
from connectors.modbus.survey import Answer, Survey, UnreachableError
from connectors.modbus.terrain import Terrain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.modbus.config import Device, ModbusSettings, ModbusTagSettings


class ModbusProbe:
    """Reads by the same plan as the source, on a connection of its own.

    A text has no number: its sample's value is NaN, `decoded` says it. Of several
    devices, those that are silent are bad and the others are read.
    """

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = tag_ids(settings)

    async def probe(
        self, tags: Sequence[TagId], *, deadline_s: float
    ) -> tuple[Probed, ...]:
        """Connect, read, close; one answer per tag, in order; bad where there is none.

        Raises:
            SourceUnavailableError: Nobody answers in time.
        """
        found: dict[TagId, Probed] = {}
        try:
            async with asyncio.timeout(deadline_s):
                line = await Line.connect(self._settings, self._clock)
                try:
                    await self._read(line, tags, found)
                finally:
                    await line.leave()
        except TimeoutError as error:
            if not found:
                raise SourceUnavailableError(
                    f"{self._settings.where}: not done within {deadline_s:g} s"
                ) from error
        now_ns = self._clock.utc_ns()
        return tuple(found.get(tag) or _silent(tag, now_ns) for tag in tags)

    async def _read(
        self, line: Line, tags: Sequence[TagId], found: dict[TagId, Probed]
    ) -> None:
        wanted = [self._settings.tags[self._ids.index(tag)] for tag in tags]
        answered = False
        silence: NoAnswerError | None = None
        for device in self._settings.device_table:
            own = [tag for tag in wanted if self._settings.device_of(tag) == device]
            if not own:
                continue
            try:
                await self._read_device(line, device, own, found)
            except NoAnswerError as error:
                silence = error
            except UnreachableError:
                answered = True  # by the gateway
            else:
                answered = True
        if silence is not None and not answered:
            raise silence

    async def _read_device(
        self,
        line: Line,
        device: Device,
        tags: Sequence[ModbusTagSettings],
        found: dict[TagId, Probed],
    ) -> None:
        survey = Survey(f"source {self._settings.name}", tags, Terrain(device.limits))
        async for answer in survey.read(line.station(device), self._clock):
            receive_ns = self._clock.utc_ns()
            for row in answer.block.rows:
                tag = tags[row]
                found[tag.tag().id] = probed(tag, answer, receive_ns)


def probed(settings: ModbusTagSettings, answer: Answer, receive_ns: int) -> Probed:
    """Return what an answer says of a tag that lies in it."""
    words: tuple[int, ...] = ()
    if answer.words is not None:
        start = settings.place.address - answer.block.address
        words = tuple(answer.words[start : start + settings.encoding.words])
    value, status, decoded = _judged(settings, words, answer.status)
    sample = Sample(
        tag=settings.tag().id,
        value=value,
        quality=quality_of_status(status),
        status=status,
        source_time_ns=answer.asked_ns,
        receive_time_ns=receive_ns,
    )
    of_bits = settings.place.table.of_bits
    raw = str(words[0]) if of_bits and words else words_text(words)
    return Probed(sample, raw, decoded)


def _judged(
    settings: ModbusTagSettings, words: Sequence[int], status: int
) -> tuple[float, int, str]:
    """Return value, status and what was decoded."""
    if not words:
        return math.nan, status, ""
    try:
        raw = settings.encoding.decode(words)
    except UndecodableError:
        return math.nan, STATUS_BAD_DECODING, ""
    if isinstance(raw, str):
        return math.nan, STATUS_GOOD, raw
    value, judgement = settings.scaling.apply(raw)
    return value, judgement, repr(raw)


def _silent(tag: TagId, now_ns: int) -> Probed:
    return Probed(bad_sample(tag, STATUS_BAD_NO_COMMUNICATION, now_ns), "", "")
