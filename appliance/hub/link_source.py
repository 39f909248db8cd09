"""Another of our processes as one more source: safety, read over its link.

So its trips and margins are tags. Its tag table comes with the hello, because this
process may not know the other's configuration; tags that we read ourselves keep their
own source. Its events come too, and those missed are asked for.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np

from appliance.domain.ports import SourceUnavailableError
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.wire.batches import batch_of_message
from appliance.wire.events import tag_of_entry
from appliance.wire.messages import BatchMessage, EventMessage, WireError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Mapping,
        Sequence,
    )
    from pathlib import Path

    from appliance.domain.batch import Batch, TagColumn
    from appliance.domain.tag import Tag, TagId
    from appliance.link.client import LinkClient
    from appliance.wire.messages import Hello

    Register: TypeAlias = Callable[[Sequence[Tag]], Awaitable[Mapping[TagId, int]]]
    """Gives the tags we take from here their numbers, and leaves out the others."""
    OnEvent: TypeAlias = Callable[[EventMessage, str], None]
    """Called with each event of the other process and the epoch of its numbering."""
    LastSeen: TypeAlias = Callable[[str], int]
    """Returns the number of the last event of an epoch that we have on record."""

_LARGEST_TABLE = 1 << 16
_NOT_OURS = np.iinfo(np.uint32).max


class LinkSource:
    """Reads the batches and events of the process that serves `path`."""

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        register: Register,
        on_event: OnEvent,
        last_seen: LastSeen,
    ) -> None:
        self._path = path
        self._name = name
        self._register = register
        self._on_event = on_event
        self._last_seen = last_seen
        self._tags: tuple[TagId, ...] = ()

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """The tags we take from there; none before the first connection."""
        return {self._name: self._tags}

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Dial, and yield batches until the link is lost.

        `numbers` is not used: the tags are known, and get their numbers, from here.

        Raises:
            SourceUnavailableError: The process is not there, or has gone.
        """
        del numbers
        try:
            async with connect(
                self._path, process="hub", subscribe=("batches", "events")
            ) as link:
                table = await self._table(link.hello)
                await self._catch_up(link)
                async with aclosing(self._batches(link, table)) as batches:
                    yield batches
        except (LinkLostError, LinkRefusedError, WireError) as error:
            raise SourceUnavailableError(str(error)) from error

    async def _table(self, hello: Hello) -> TagColumn:
        """Return our tag number by theirs."""
        tags = {entry.number: tag_of_entry(entry) for entry in hello.tags}
        if max(tags, default=0) >= _LARGEST_TABLE:
            raise WireError("a tag number is beyond reason")
        numbers = await self._register(tuple(tags.values()))
        self._tags = tuple(numbers)
        table = np.full(max(tags, default=0) + 1, _NOT_OURS, dtype=np.uint32)
        for theirs, tag in tags.items():
            table[theirs] = numbers.get(tag.id, _NOT_OURS)
        return table

    async def _catch_up(self, link: LinkClient) -> None:
        """Hand on the events that happened while we were not listening."""
        epoch = link.hello.epoch
        missed = await link.request("events.since", seq=self._last_seen(epoch))
        try:
            events = msgspec.convert(missed, tuple[EventMessage, ...])
        except msgspec.ValidationError as error:
            raise WireError(f"events.since: {error}") from error
        for event in events:
            self._on_event(event, epoch)

    async def _batches(
        self, link: LinkClient, table: TagColumn
    ) -> AsyncGenerator[Batch, None]:
        epoch = link.hello.epoch
        async for news in link.messages():
            match news:
                case BatchMessage():
                    yield self._ours(batch_of_message(news), table)
                case EventMessage():
                    self._on_event(news, epoch)

    def _ours(self, batch: Batch, table: TagColumn) -> Batch:
        """Return the batch with our tag numbers, without the tags we do not take."""
        if len(batch) and int(batch.tag.max()) >= len(table):
            raise WireError("a batch has a tag that the hello did not announce")
        tag = table[batch.tag]
        kept = tag != _NOT_OURS
        ours = replace(batch, tag=tag, group=self._name, waveforms=(), texts=())
        return ours if kept.all() else ours.where(kept)
