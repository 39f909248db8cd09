"""An OPC UA server as safety reads it: one sample per tag, within the deadline."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asyncua import ua

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
from connectors.opcua.limits import read_limits
from connectors.opcua.picking import pick_of
from connectors.opcua.security import Security
from connectors.opcua.services import Services
from connectors.opcua.structures import Layouts
from connectors.opcua.typedefs import read_layouts
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
    source_time_ns,
    status_of,
    time_ns,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.picking import Pick
    from connectors.opcua.tags import OpcuaTagSettings

STATUS_BAD_TIMEOUT = 0x800A_0000
"""No answer within the deadline (OPC UA BadTimeout)."""
STATUS_BAD_NODE_ID_UNKNOWN = 0x8034_0000
"""The server does not know the namespace (OPC UA BadNodeIdUnknown)."""

_ATTEMPTS = 2  # on the connection that was there, then once on a new one


class OpcuaReader:
    """Reads all tags by one call on a session of its own. Numpy-free.

    Elements of arrays and fields of structures are taken as the source takes them.
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

    async def _connect(self) -> _Reading:
        nodes = [tag.node for tag in self._settings.tags]
        made = await _Reading.connect(
            self._settings, self._clock, nodes=nodes, security=self._security
        )
        try:
            await made.learn(self._settings.tags)
        except BaseException:
            made.close()
            raise
        return made

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
        rows = zip(self._tags, connection.node_ids, connection.picks, strict=True)
        return tuple(
            bad_sample(tag.id, STATUS_BAD_NODE_ID_UNKNOWN, receive_ns)
            if node is None
            else sample_of(tag, next(values), receive_ns, pick=pick)
            for tag, node, pick in rows
        )


class _Reading(Connection):
    """A session that knows what to take of the values of its nodes."""

    picks: Sequence[Pick | None] = ()

    async def learn(self, tags: Sequence[OpcuaTagSettings]) -> None:
        """Have the server say how the structures are laid out of which we want fields.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        layouts = Layouts()
        nodes = [
            node
            for tag, node in zip(tags, self.node_ids, strict=True)
            if tag.field is not None and node is not None
        ]
        if nodes:
            services = Services(self, await read_limits(self))
            layouts = await read_layouts(services, await _types_of(services, nodes))
        self.picks = [pick_of(tag, layouts) for tag in tags]


async def _types_of(services: Services, nodes: Sequence[ua.NodeId]) -> list[ua.NodeId]:
    """Return the data types of nodes, each once; without those that are not there."""
    asked = [(node, ua.AttributeIds.DataType) for node in nodes]
    answers = await services.attributes(asked)
    found = [
        each.Value.Value
        for each in answers
        if each.Value is not None and not status_of(each) >> 31
    ]
    return list({each.to_string(): each for each in found}.values())


def sample_of(
    tag: Tag, given: ua.DataValue, receive_ns: int, *, pick: Pick | None = None
) -> Sample:
    """Return the sample that a DataValue is; out of range or no number is bad."""
    value, status = _judged(tag, given, pick)
    return Sample(
        tag=tag.id,
        value=value,
        quality=quality_of_status(status),
        status=status,
        source_time_ns=source_time_ns(given, receive_ns),
        receive_time_ns=receive_ns,
        server_time_ns=time_ns(given.ServerTimestamp),
    )


def _judged(tag: Tag, given: ua.DataValue, pick: Pick | None) -> tuple[float, int]:
    status = status_of(given)
    content = None if given.Value is None else given.Value.Value
    if pick is not None:
        content, status = pick(content, status)
    bad = status >> 31 != 0
    number = plain(content)
    if number is None or isinstance(number, str):
        missing = STATUS_BAD_NO_DATA if content is None else STATUS_BAD_TYPE_MISMATCH
        return math.nan, status if bad else missing
    value, judgement = Scaling(low=tag.range_low, high=tag.range_high).apply(number)
    return value, status if bad or not judgement else judgement
