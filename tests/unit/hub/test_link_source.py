"""Safety as a source, over a real socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.batch import batch_of
from appliance.domain.ports import Source, SourceUnavailableError
from appliance.domain.tag import TagId
from appliance.hub.link_source import LinkSource
from appliance.link.roles import Role
from appliance.link.server import LinkServer, RefusedError
from appliance.runtime.tasks import alongside
from appliance.wire.batches import message_of
from appliance.wire.messages import EventMessage, TagEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from appliance.domain.tag import Tag
    from appliance.link.server import Peer

TRIP, FLOW = TagId("safety/trip"), TagId("P-101/flow")
TABLE = (TagEntry(1, TRIP), TagEntry(4, FLOW, "m3/h", 0.0, 120.0))


def event(seq: int, *, pending: bool = False) -> EventMessage:
    return EventMessage("trip", "first_out", seq, "tripped", pending=pending, seq=seq)


class Safety:
    """The serving end: a tag table, a journal of events."""

    def __init__(self, path: Path, table: tuple[TagEntry, ...] = TABLE) -> None:
        self.server = LinkServer(
            path, process="safety", role_of=lambda _u, _g: Role.VIEWER
        )
        self.server.set_tags("journal-1", table)
        self.journal: Any = [event(1), event(2), event(3)]
        self.server.operation("events.since", self._since)

    async def _since(self, args: Mapping[str, Any], _peer: Peer) -> object:
        if isinstance(self.journal, str):
            raise RefusedError(self.journal)
        if not isinstance(self.journal, list):
            return self.journal
        return [each for each in self.journal if each.seq > args["seq"]]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Safety]:
        async with alongside(self.server.serve(), name="test.safety"):
            await self.server.wait_ready()
            yield self


class Hub:
    """Our end: what we take, and what we have seen."""

    def __init__(self, path: Path, *, seen: int = 0) -> None:
        self.events: list[tuple[int, str]] = []
        self.tags: tuple[Tag, ...] = ()
        self._seen = seen
        self.source = LinkSource(
            path,
            name="safety",
            register=self._register,
            on_event=lambda message, epoch: self.events.append((message.seq, epoch)),
            last_seen=lambda _epoch: self._seen,
        )

    async def _register(self, tags: Sequence[Tag]) -> Mapping[TagId, int]:
        self.tags = tuple(tags)
        return {TRIP: 77}  # the flow is read by a source of our own


async def test_tags_get_our_numbers_and_our_own_ones_are_left_out(
    tmp_path: Path,
) -> None:
    safety, hub = Safety(tmp_path / "s"), Hub(tmp_path / "s")
    assert isinstance(hub.source, Source)
    async with safety.serving(), hub.source.open({}) as batches:
        batch = batch_of(
            [1, 4], [1.0, 55.0], source_time_ns=5, receive_time_ns=6, group="scan"
        )
        safety.server.publish_batch(message_of(batch))
        async with asyncio.timeout(60):
            got = await anext(batches)
    assert got.tag.tolist() == [77]
    assert got.value.tolist() == [1.0]
    assert (got.group, got.confirms) == ("safety", True)
    assert hub.source.groups == {"safety": (TRIP,)}
    assert [tag.id for tag in hub.tags] == [TRIP, FLOW]
    assert hub.tags[1].range_high == 120.0


async def test_missed_events_are_fetched_and_new_ones_handed_on(tmp_path: Path) -> None:
    safety, hub = Safety(tmp_path / "s"), Hub(tmp_path / "s", seen=1)
    async with safety.serving(), hub.source.open({}) as batches:
        assert hub.events == [(2, "journal-1"), (3, "journal-1")]
        safety.server.publish_event(event(4))
        await asyncio.sleep(0)
        safety.server.publish_batch(
            message_of(batch_of([1], [0.0], source_time_ns=0, receive_time_ns=0))
        )
        async with asyncio.timeout(60):
            await anext(batches)
    assert hub.events[-1] == (4, "journal-1")


async def test_an_absent_process_is_unavailable(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "nobody")
    with pytest.raises(SourceUnavailableError):
        async with hub.source.open({}):
            pytest.fail("must not open")
    assert hub.source.groups == {"safety": ()}


async def test_a_process_that_goes_is_unavailable(tmp_path: Path) -> None:
    safety, hub = Safety(tmp_path / "s"), Hub(tmp_path / "s")

    async def read_on() -> None:
        async with safety.serving() as serving:
            async with hub.source.open({}) as batches:
                async with asyncio.timeout(60):
                    async for _ in batches:
                        pytest.fail("nothing was sent")
            del serving

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_raises(read_on()), name="test.read")
        while not safety.server.counters["peers"]:
            await asyncio.sleep(0)
        while not hub.events:
            await asyncio.sleep(0)
        for outlet in tuple(safety.server._event_outlets):
            outlet._overrun()
    assert reading.result()


async def _raises(work: Any) -> bool:  # noqa: ANN401 - any coroutine
    with pytest.raises(SourceUnavailableError):
        await work
    return True


@pytest.mark.parametrize("journal", ["not today", 5, {"events": []}])
async def test_a_journal_that_cannot_be_read_is_unavailable(
    tmp_path: Path, journal: object
) -> None:
    safety, hub = Safety(tmp_path / "s"), Hub(tmp_path / "s")
    safety.journal = journal
    async with safety.serving():
        with pytest.raises(SourceUnavailableError):
            async with hub.source.open({}):
                pytest.fail("must not open")


async def test_a_batch_with_a_tag_that_was_not_announced_ends_the_link(
    tmp_path: Path,
) -> None:
    safety, hub = Safety(tmp_path / "s"), Hub(tmp_path / "s")

    async def read_on() -> None:
        async with hub.source.open({}) as batches:
            strange = batch_of([9], [1.0], source_time_ns=0, receive_time_ns=0)
            safety.server.publish_batch(message_of(strange))
            async with asyncio.timeout(60):
                await anext(batches)

    async with safety.serving():
        assert await _raises(read_on())


async def test_a_table_beyond_reason_is_refused(tmp_path: Path) -> None:
    safety = Safety(tmp_path / "s", (TagEntry(2**31, TRIP),))
    hub = Hub(tmp_path / "s")
    async with safety.serving():
        with pytest.raises(SourceUnavailableError, match="beyond reason"):
            async with hub.source.open({}):
                pytest.fail("must not open")
