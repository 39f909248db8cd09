"""An OPC UA server as safety reads it: one sample per tag, within the deadline."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import (
    STATUS_BAD_NO_COMMUNICATION,
    Sample,
    bad_sample,
    quality_of_status,
)
from appliance.domain.scaling import Scaling
from appliance.runtime.lifeline import Lifeline
from connectors.opcua.connection import Connection
from connectors.opcua.security import Security
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
    source_time_ns,
    status_of,
    time_ns,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncua import ua

    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag
    from connectors.opcua.config import OpcuaSettings

STATUS_BAD_TIMEOUT = 0x800A_0000
"""No answer within the deadline (OPC UA BadTimeout)."""
STATUS_BAD_NODE_ID_UNKNOWN = 0x8034_0000
"""The server does not know the namespace (OPC UA BadNodeIdUnknown)."""

_ATTEMPTS = 2  # on the connection that was there, then once on a new one


class OpcuaReader:
    """Reads all tags by one call on a session of its own. Numpy-free.

    An integer beyond 2**53 is rounded to a float here; a text or array is bad.
    """

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._security = Security(settings, clock)
        self._tags = [tag.tag() for tag in settings.tags]
        self._lifeline = Lifeline(self._connect, name=f"{settings.name}.reader")

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
        try:
            async with asyncio.timeout(deadline_s):
                return await self._read()
        except TimeoutError:
            status = STATUS_BAD_TIMEOUT
        except SourceUnavailableError:
            status = STATUS_BAD_NO_COMMUNICATION
        now_ns = self._clock.utc_ns()
        return tuple(bad_sample(tag.id, status, now_ns) for tag in self._tags)

    async def _connect(self) -> Connection:
        nodes = [tag.node for tag in self._settings.tags]
        return await Connection.connect(
            self._settings, self._clock, nodes=nodes, security=self._security
        )

    async def _read(self) -> tuple[Sample, ...]:
        for attempt in range(_ATTEMPTS):
            connection = await self._lifeline.connection()
            known = [node for node in connection.node_ids if node is not None]
            try:
                values = iter(await connection.read(known) if known else ())
            except SourceUnavailableError:
                self._lifeline.drop()
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                break
        if connection.certificate_is_outdated:
            self._lifeline.replace()
        receive_ns = self._clock.utc_ns()
        nodes = zip(self._tags, connection.node_ids, strict=True)
        return tuple(
            bad_sample(tag.id, STATUS_BAD_NODE_ID_UNKNOWN, receive_ns)
            if node is None
            else sample_of(tag, next(values), receive_ns)
            for tag, node in nodes
        )


def sample_of(tag: Tag, given: ua.DataValue, receive_ns: int) -> Sample:
    """Return the sample that a DataValue is; out of range or no number is bad."""
    value, status = _judged(tag, given)
    return Sample(
        tag=tag.id,
        value=value,
        quality=quality_of_status(status),
        status=status,
        source_time_ns=source_time_ns(given, receive_ns),
        receive_time_ns=receive_ns,
        server_time_ns=time_ns(given.ServerTimestamp),
    )


def _judged(tag: Tag, given: ua.DataValue) -> tuple[float, int]:
    status = status_of(given)
    content = None if given.Value is None else given.Value.Value
    bad = status >> 31 != 0
    number = plain(content)
    if number is None or isinstance(number, str):
        missing = STATUS_BAD_NO_DATA if content is None else STATUS_BAD_TYPE_MISMATCH
        return math.nan, status if bad else missing
    value, judgement = Scaling(low=tag.range_low, high=tag.range_high).apply(number)
    return value, status if bad or not judgement else judgement
