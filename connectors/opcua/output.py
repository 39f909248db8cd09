"""Write the listed nodes of an OPC UA server, and prove what was written."""

from __future__ import annotations

import asyncio
import math
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asyncua import ua

from appliance.domain.ports import OutputFailedError, SourceUnavailableError
from appliance.runtime.lifeline import Lifeline
from connectors.opcua.connection import Connection
from connectors.opcua.security import Security
from connectors.opcua.values import plain, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.domain.ports import Clock
    from connectors.opcua.config import NumberType, OpcuaSettings, PointSettings

_ATTEMPTS = 2  # on the connection that was there, then once on a new one

_WHOLE = {
    "SByte": "b",
    "Byte": "B",
    "Int16": "h",
    "UInt16": "H",
    "Int32": "i",
    "UInt32": "I",
    "Int64": "q",
    "UInt64": "Q",
}
"""Format letters of `struct`, which knows the range of each type."""


class OpcuaOutput:
    """Writes points and reads them back. What is not in `points` it cannot write."""

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._security = Security(settings, clock)
        self._rows = {point.name: row for row, point in enumerate(settings.points)}
        self._one_at_a_time = asyncio.Lock()
        self._lifeline = Lifeline(self._connect, name=f"{settings.name}.output")

    @property
    def name(self) -> str:
        """Name used in logs and the configuration."""
        return self._settings.name

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Begin to connect; never fails because the device is away."""
        async with self._lifeline.open():
            yield

    async def write(self, point: str, value: float, *, deadline_s: float) -> None:
        """Write a configured point and read it back.

        Raises:
            OutputFailedError: Refused, lost, late, or read back differently.
        """
        row = self._rows.get(point)
        if row is None:
            known = ", ".join(self._rows) or "none"
            raise OutputFailedError(
                f"no point {point!r} may be written; known: {known}"
            )
        content = encoded(self._settings.points[row], value)
        try:
            async with asyncio.timeout(deadline_s), self._one_at_a_time:
                await self._write_and_prove(row, content)
        except TimeoutError as error:
            raise OutputFailedError(f"{point}: late") from error
        except SourceUnavailableError as error:
            raise OutputFailedError(f"{point}: lost: {error}") from error

    async def _connect(self) -> Connection:
        nodes = [point.node for point in self._settings.points]
        return await Connection.connect(
            self._settings, self._clock, nodes=nodes, security=self._security
        )

    async def _write_and_prove(self, row: int, content: float) -> None:
        point = self._settings.points[row]
        for attempt in range(_ATTEMPTS):
            connection = await self._lifeline.connection()
            try:
                read_back = await _written(connection, row, point, content)
            except SourceUnavailableError:
                self._lifeline.drop()
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                break
        if connection.certificate_is_outdated:
            self._lifeline.replace()
        proven = None if read_back.Value is None else plain(read_back.Value.Value)
        if status_of(read_back) >> 30 or proven != plain(content):
            raise OutputFailedError(
                f"{point.name}: wrote {content}, read back {read_back}"
            )


async def _written(
    connection: Connection,
    row: int,
    point: PointSettings,
    content: float,
) -> ua.DataValue:
    """Write, and return what the server reads back."""
    node = connection.node_ids[row]
    if node is None:
        raise OutputFailedError(f"{point.name}: the server has no such namespace")
    # Servers may refuse a write that brings its own status or times.
    value = ua.DataValue(
        ua.Variant(content, ua.VariantType[point.type]), StatusCode=None
    )
    wanted = ua.WriteValue(node, ua.AttributeIds.Value, Value=value)
    with connection.guarded():
        (status,) = await connection.session.write(ua.WriteParameters([wanted]))
    if not status.is_good():
        raise OutputFailedError(f"{point.name}: refused: {status.name}")
    (read_back,) = await connection.read([node])
    return read_back


def encoded(point: PointSettings, value: float) -> float:
    """Return the value as its node holds it.

    Raises:
        OutputFailedError: It does not fit the node's type.
    """
    kind: NumberType = point.type
    misfit = OutputFailedError(f"{point.name}: {value} does not fit {kind}")
    if not math.isfinite(value):
        raise misfit
    if kind == "Double":
        return float(value)
    try:
        if kind == "Float":
            (nearest,) = struct.unpack("<f", struct.pack("<f", value))
            return float(nearest)
        if kind == "Boolean" and value in (0, 1):
            return bool(value)
        whole = round(value)
        struct.pack(f"<{_WHOLE[kind]}", whole)
    except (struct.error, OverflowError, KeyError) as error:
        raise misfit from error
    return whole
