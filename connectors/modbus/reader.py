"""A Modbus device as safety reads it: one sample per tag, within the deadline."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import (
    STATUS_BAD_NO_COMMUNICATION,
    Sample,
    bad_sample,
    quality_of_status,
)
from appliance.runtime.lifeline import Lifeline
from appliance.runtime.plugins import tag_ids
from connectors.modbus.station import Station
from connectors.modbus.survey import Survey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from appliance.domain.ports import Clock
    from connectors.modbus.config import ModbusSettings
    from connectors.modbus.survey import Answer

STATUS_BAD_TIMEOUT = 0x800A_0000
"""No answer within the deadline (OPC UA BadTimeout)."""

_ATTEMPTS = 2  # on the connection that was there, then once on a new one


class ModbusReader:
    """Reads on a connection of its own, which it makes again when it was lost.

    Numpy-free. An integer beyond 2**53 is rounded to a float here.
    """

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = tag_ids(settings)
        self._starts = [tag.address for tag in settings.tags]
        self._encodings = [tag.encoding for tag in settings.tags]
        self._scalings = [tag.scaling for tag in settings.tags]
        self._survey = Survey(settings.name, settings.tags, settings.limits)
        self._lifeline = Lifeline(
            partial(Station.connect, settings), name=f"{settings.name}.reader"
        )

    @property
    def name(self) -> str:
        """Name used in logs and the configuration."""
        return self._settings.name

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Begin to connect; never fails because the device is away."""
        async with self._lifeline.open():
            yield

    async def read(self, deadline_s: float) -> tuple[Sample, ...]:
        """Return one sample per tag, in their order; what came late or not is bad."""
        read: dict[int, Sample] = {}
        status = STATUS_BAD_TIMEOUT
        try:
            async with asyncio.timeout(deadline_s):
                await self._read_into(read)
        except TimeoutError:
            pass
        except SourceUnavailableError:
            status = STATUS_BAD_NO_COMMUNICATION
        now_ns = self._clock.utc_ns()
        return tuple(
            read.get(row) or bad_sample(tag, status, now_ns)
            for row, tag in enumerate(self._ids)
        )

    async def _read_into(self, read: dict[int, Sample]) -> None:
        for attempt in range(_ATTEMPTS):
            station = await self._lifeline.connection()
            try:
                async for answer in self._survey.read(station, self._clock):
                    read.update(self._samples(answer))
            except SourceUnavailableError:
                self._lifeline.drop()
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return

    def _samples(self, answer: Answer) -> Iterator[tuple[int, Sample]]:
        receive_ns = self._clock.utc_ns()
        for row in answer.block.rows:
            value, status = self._value(row, answer)
            yield (
                row,
                Sample(
                    tag=self._ids[row],
                    value=value,
                    quality=quality_of_status(status),
                    status=status,
                    source_time_ns=answer.asked_ns,
                    receive_time_ns=receive_ns,
                ),
            )

    def _value(self, row: int, answer: Answer) -> tuple[float, int]:
        if answer.words is None:
            return math.nan, answer.status
        encoding = self._encodings[row]
        start = self._starts[row] - answer.block.address
        raw = encoding.decode(answer.words[start : start + encoding.words])
        return self._scalings[row].apply(raw)
