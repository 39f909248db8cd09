"""Reads tags of an OPC UA server once, for a person who sets them up."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from appliance.domain.commissioning import Probed
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Sample, bad_sample, quality_of_status
from appliance.domain.scaling import Scaling
from appliance.runtime.drafts import one_line
from appliance.runtime.plugins import tag_ids
from connectors.opcua.connection import Connection
from connectors.opcua.describing import value_text
from connectors.opcua.identity import Identity
from connectors.opcua.limits import read_limits
from connectors.opcua.placing import Placing
from connectors.opcua.services import Services
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
    source_time_ns,
    status_of,
    time_ns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncua import ua

    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.monitored import Wanted
    from connectors.opcua.notification import Item


class OpcuaProbe:
    """Finds, identifies and takes apart as the source does, on a session of its own.

    A text or a waveform has no number: its sample's value is NaN, `decoded` says it.
    """

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = tag_ids(settings)

    async def probe(
        self, tags: Sequence[TagId], *, deadline_s: float
    ) -> tuple[Probed, ...]:
        """Connect, read, close; one answer per tag, in order; bad where there is none.

        Raises:
            SourceUnavailableError: Nobody answers in time, or we are not let in.
        """
        try:
            async with asyncio.timeout(deadline_s):
                connection = await Connection.connect(self._settings, self._clock)
                try:
                    return await self._read(connection, tags)
                finally:
                    await connection.leave()
        except TimeoutError as error:
            raise SourceUnavailableError(
                f"{self._settings.url}: not done within {deadline_s:g} s"
            ) from error

    async def _read(
        self, connection: Connection, tags: Sequence[TagId]
    ) -> tuple[Probed, ...]:
        services = Services(connection, await read_limits(connection))
        numbers = {tag: row for row, tag in enumerate(self._ids)}
        placing = Placing(self._settings, numbers, Identity())
        # Handle 1 is the first tag of the configuration.
        handles = [self._ids.index(tag) + 1 for tag in tags]
        placed = await placing.place(services, handles)
        wanted = {h: each for h, each in placed.items() if not isinstance(each, int)}
        answers = await services.values([each.node for each in wanted.values()])
        values = dict(zip(wanted, answers, strict=True))
        now_ns = self._clock.utc_ns()
        return tuple(
            self._probed(handle, placed, values.get(handle), now_ns)
            for handle in handles
        )

    def _probed(
        self,
        handle: int,
        placed: Mapping[int, Wanted | int],
        value: ua.DataValue | None,
        now_ns: int,
    ) -> Probed:
        found = placed[handle]
        if isinstance(found, int) or value is None:
            status = found if isinstance(found, int) else STATUS_BAD_NO_DATA
            return Probed(bad_sample(self._ids[handle - 1], status, now_ns), "", "")
        return probed(found.item, value, now_ns)


def probed(item: Item, given: ua.DataValue, receive_ns: int) -> Probed:
    """Return what a DataValue is for a tag, judged as the source judges it."""
    content = None if given.Value is None else given.Value.Value
    status = status_of(given)
    if item.pick is not None:
        content, status = item.pick(content, status)
    value, status = _judged(item, content, status)
    return Probed(
        sample=Sample(
            tag=item.tag.id,
            value=value,
            quality=quality_of_status(status),
            status=status,
            source_time_ns=source_time_ns(given, receive_ns),
            receive_time_ns=receive_ns,
            server_time_ns=time_ns(given.ServerTimestamp),
        ),
        raw=_raw(given.Value),
        decoded="" if content is None else _decoded(content),
        state="" if status >> 31 else item.tag.state_of(value),
    )


def _judged(item: Item, content: object, status: int) -> tuple[float, int]:
    if status >> 31:
        number = plain(content)
        return (number if isinstance(number, float) else math.nan), status
    if content is None:
        return math.nan, STATUS_BAD_NO_DATA
    if isinstance(content, list):
        is_waveform = item.sample_rate_hz is not None
        return math.nan, status if is_waveform else STATUS_BAD_TYPE_MISMATCH
    number = plain(content)
    match number:
        case None:
            return math.nan, STATUS_BAD_TYPE_MISMATCH
        case float():
            scaling = Scaling(low=item.tag.range_low, high=item.tag.range_high)
            value, judgement = scaling.apply(number)
            return value, judgement or status
        case _:  # a text, or an integer that no float holds
            return math.nan, status


def _raw(variant: ua.Variant | None) -> str:
    if variant is None:
        return ""
    kind = getattr(variant.VariantType, "name", str(variant.VariantType))
    return f"{kind} {value_text(variant.Value)}"


def _decoded(content: object) -> str:
    """Return what it says, exactly where that is one value."""
    if isinstance(content, list):
        numbers = [each for each in content if isinstance(each, int | float)]
        if not numbers:
            return value_text(content)
        return f"{len(content)} points, {min(numbers):.6g}..{max(numbers):.6g}"
    known = plain(content)
    if isinstance(known, float):
        return repr(known)
    return value_text(content) if known is None else one_line(str(known))
