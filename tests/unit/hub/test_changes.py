"""A change that inference noticed becomes an event, and calls nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.event import EventKind
from appliance.hub.changes import SENTENCE_MAX, offer_changes
from appliance.link.roles import Role
from appliance.link.server import Peer, RefusedError
from appliance.sync.policy import is_urgent
from appliance.wire.outbox import EventRow

if TYPE_CHECKING:
    from appliance.domain.event import Event
    from appliance.link.server import Operation
    from tests.unit.hub.conftest import Road

PEER = Peer(1, 1000, 1000, Role.VIEWER, "wheeltapper-inference", "inference")
SAID = {
    "asset": "P-101",
    "at_ns": 5,
    "mode": "running",
    "tags": "P-101/flow",
    "sentence": "P-101/flow from 50 to 65 m3/h",
}


class Desk:
    """Takes operations as a link server does; keeps the events."""

    def __init__(self, road: Road) -> None:
        self.events: list[Event] = []
        offer_changes(self, road.assets, self.events.append, clock=road.clock)  # type: ignore[arg-type] # as much of a server as it needs

    def operation(
        self, op: str, run: Operation, *, role: Role, processes: tuple[str, ...]
    ) -> None:
        assert (op, role, processes) == (
            "asset.changed",
            Role.OPERATOR,
            ("inference",),
        )
        self._run = run

    async def say(self, **args: object) -> Any:  # noqa: ANN401 - msgpack
        return await self._run({**SAID, **args}, PEER)


async def test_a_change_is_information_with_what_moved(road: Road) -> None:
    desk = Desk(road)
    await desk.say()
    (event,) = desk.events
    assert (event.kind, event.name) == (EventKind.MODEL, "changepoint")
    assert event.message == (
        "P-101 began to behave otherwise: P-101/flow from 50 to 65 m3/h"
    )
    assert (event.asset, event.priority, event.tag) == ("P-101", "", None)
    assert event.time_ns == road.clock.utc_ns()
    assert event.details == {"at_ns": 5, "mode": "running", "tags": "P-101/flow"}
    row = EventRow(event.kind, event.name, 1, "", "P-101", None, "", "", {})
    assert not is_urgent(row)


async def test_an_asset_that_is_not_ours_is_refused(road: Road) -> None:
    desk = Desk(road)
    with pytest.raises(RefusedError):
        await desk.say(asset="X-1")
    assert desk.events == []


async def test_long_words_are_cut(road: Road) -> None:
    desk = Desk(road)
    await desk.say(sentence="x" * 5000)
    assert len(desk.events[0].message) < SENTENCE_MAX + 100
