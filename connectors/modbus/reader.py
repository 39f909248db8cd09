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
    STATUS_BAD_NOT_A_NUMBER,
    Sample,
    bad_sample,
    quality_of_status,
)
from appliance.runtime.lifeline import Lifeline
from appliance.runtime.plugins import tag_ids
from connectors.modbus.registers import STATUS_BAD_DECODING, UndecodableError
from connectors.modbus.sharing import line_of
from connectors.modbus.station import NoAnswerError
from connectors.modbus.survey import Survey, UnreachableError
from connectors.modbus.terrain import Terrain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from appliance.domain.ports import Clock
    from connectors.modbus.config import Device, ModbusSettings
    from connectors.modbus.sharing import AnyLine
    from connectors.modbus.survey import Answer

STATUS_BAD_TIMEOUT = 0x800A_0000
"""No answer within the deadline (OPC UA BadTimeout)."""

_ATTEMPTS = 2  # on the connection that was there, then once on a new one


class _Part:
    """The tags of one device, and their positions among all."""

    def __init__(self, settings: ModbusSettings, device: Device) -> None:
        self.device = device
        self.rows = tuple(
            row
            for row, tag in enumerate(settings.tags)
            if settings.device_of(tag) == device
        )
        self.survey = Survey(
            f"source {settings.name}",
            [settings.tags[row] for row in self.rows],
            Terrain(device.limits),
        )


class ModbusReader:
    """Reads on a connection which it makes again when it was lost.

    It is its own, except where there can be only one (see `sharing`). Of several
    devices, one that is silent leaves the rest of the deadline to the others: it is
    asked last from then on. Numpy-free. An integer beyond 2**53 is rounded to a float
    here.
    """

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = tag_ids(settings)
        self._starts = [tag.place.address for tag in settings.tags]
        self._encodings = [tag.encoding for tag in settings.tags]
        self._scalings = [tag.scaling for tag in settings.tags]
        parts = [_Part(settings, device) for device in settings.device_table]
        self._parts = [part for part in parts if part.rows]
        self._in_doubt: set[_Part] = set()
        self._lifeline = Lifeline(
            partial(line_of, settings, clock), name=f"{settings.name}.reader"
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
            line = await self._lifeline.connection()
            try:
                await self._read_parts(line, read)
            except SourceUnavailableError:
                self._lifeline.drop()
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return

    async def _read_parts(self, line: AnyLine, read: dict[int, Sample]) -> None:
        """Read every device; raise if the line is lost, or nobody on it answers."""
        silent = 0
        for part in sorted(self._parts, key=self._in_doubt.__contains__):
            self._in_doubt.add(part)  # until it answers, though a deadline cut it off
            try:
                await self._read_part(line, part, read)
            except UnreachableError:
                self._note_unreachable(part, read)
            except NoAnswerError:
                silent += 1
                if not line.connected or silent == len(self._parts):
                    raise
                self._note_unreachable(part, read)
            else:
                self._in_doubt.discard(part)

    async def _read_part(
        self, line: AnyLine, part: _Part, read: dict[int, Sample]
    ) -> None:
        station = line.station(part.device)
        async for answer in part.survey.read(station, self._clock):
            read.update(self._samples(part, answer))

    def _note_unreachable(self, part: _Part, read: dict[int, Sample]) -> None:
        status, now_ns = STATUS_BAD_NO_COMMUNICATION, self._clock.utc_ns()
        for row in part.rows:
            read.setdefault(row, bad_sample(self._ids[row], status, now_ns))

    def _samples(self, part: _Part, answer: Answer) -> Iterator[tuple[int, Sample]]:
        receive_ns = self._clock.utc_ns()
        for within in answer.block.rows:
            row = part.rows[within]
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
        try:
            raw = encoding.decode(answer.words[start : start + encoding.words])
        except UndecodableError:
            return math.nan, STATUS_BAD_DECODING
        if isinstance(raw, str):
            return math.nan, STATUS_BAD_NOT_A_NUMBER
        return self._scalings[row].apply(raw)
