"""Maintenance done: on record, its episode closed, remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.batch import batch_of
from appliance.domain.event import EventKind
from appliance.domain.health import derived_group
from appliance.domain.maintenance import Maintenance, event_of_maintenance
from appliance.hub.upkeep import Upkeep
from appliance.link.roles import Role
from appliance.link.server import Peer, RefusedError
from appliance.runtime.tasks import alongside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.event import Event
    from appliance.link.server import Operation
    from tests.unit.hub.conftest import Road

NS = 1_000_000_000
ANNA = Peer(1, 1000, 1000, Role.MAINTAINER, "anna", "command")


@dataclass
class Desk:
    """Takes operations as a link server does."""

    operations: dict[str, Operation] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)

    def operation(self, op: str, run: Operation, *, role: Role = Role.VIEWER) -> None:
        self.operations[op] = run
        self.roles[op] = role

    async def ask(self, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
        return await self.operations[op](args, ANNA)


def desk_of(road: Road, recalled: Mapping[str, Event] | None = None) -> Desk:
    desk = Desk()
    Upkeep(
        road.assets,
        road.recorder,
        road.pipeline.hear,
        clock=road.clock,
        recalled=recalled or {},
    ).offer(desk)  # type: ignore[arg-type] # as much of a server as it needs
    return desk


def judge(road: Road, *, anomaly: bool) -> None:
    numbers = [road.number("P-101/anomaly_score"), road.number("P-101/anomaly")]
    road.pipeline.ingest(
        batch_of(
            numbers,
            [2.0 if anomaly else 0.5, float(anomaly)],
            source_time_ns=road.clock.utc_ns(),
            receive_time_ns=road.clock.utc_ns(),
            group=derived_group("P-101"),
        )
    )


async def told(road: Road, desk: Desk, **args: object) -> Any:  # noqa: ANN401 - msgpack
    """Ask while the recorder commits."""
    async with alongside(road.recorder.run(), name="test.recorder"):
        return await desk.ask("asset.maintained", asset="P-101", **args)


async def test_only_a_maintainer_may_say_that_it_is_done(road: Road) -> None:
    desk = desk_of(road)
    assert desk.roles["asset.maintained"] is Role.MAINTAINER
    assert desk.roles["asset.upkeep"] is Role.VIEWER


async def test_it_is_on_record_with_the_anomaly_that_it_ended(road: Road) -> None:
    desk = desk_of(road)
    judge(road, anomaly=True)
    since_ns = road.clock.utc_ns()
    road.clock.at_s += 60
    answer = await told(road, desk, what=" bearing\n replaced ")
    assert answer["since_ns"] == since_ns
    assert await road.commit() == ["begin", "maintained", "end"]
    done = road.store.events[1]
    assert (done.kind, done.actor) == (EventKind.MAINTENANCE, "anna")
    assert done.details == {
        "what": "bearing replaced",
        "at_ns": road.clock.utc_ns(),
        "since_ns": since_ns,
    }
    assert "is repaired" in road.store.events[2].message


async def test_windows_from_before_do_not_begin_the_anomaly_again(road: Road) -> None:
    desk = desk_of(road)
    judge(road, anomaly=True)
    await told(road, desk, what="bearing replaced")
    judge(road, anomaly=True)  # of the same moment: judged before it was told
    assert await road.commit() == ["begin", "maintained", "end"]
    road.clock.at_s += 60
    judge(road, anomaly=True)
    assert (await road.commit())[-1] == "begin"


async def test_work_from_before_the_anomaly_did_not_end_it(road: Road) -> None:
    desk = desk_of(road)
    before_ns = road.clock.utc_ns() - 60 * NS
    judge(road, anomaly=True)
    answer = await told(road, desk, what="oil changed", at_ns=before_ns)
    assert answer == {"seq": 2, "at_ns": before_ns, "since_ns": None}
    assert await road.commit() == ["begin", "maintained"]
    assert road.assets.since_ns("P-101") is not None


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"asset": "X-1", "what": "x"}, "no asset"),
        ({"asset": "P-101", "what": "  "}, "what was done"),
        ({"asset": "P-101", "what": "x" * 501}, "what was done"),
        ({"asset": "P-101", "what": "x", "at_ns": 2**62}, "ahead"),
        ({"asset": "P-101", "what": "x", "at_ns": 5}, "later work"),
    ],
)
async def test_nonsense_is_refused(
    road: Road,
    args: Mapping[str, object],
    why: str,
) -> None:
    done = event_of_maintenance(Maintenance("P-101", 7, "x"), time_ns=7, actor="b")
    desk = desk_of(road, {"P-101": done})
    with pytest.raises(RefusedError, match=why):
        await desk.ask("asset.maintained", **args)
    assert await road.commit() == []


async def test_the_last_work_on_each_asset_is_remembered(road: Road) -> None:
    done = event_of_maintenance(Maintenance("P-101", 7, "seal"), time_ns=7, actor="b")
    desk = desk_of(road, {"P-101": done})
    said = {"at_ns": 7, "what": "seal", "since_ns": None}
    assert await desk.ask("asset.upkeep") == {"P-101": said}
    await told(road, desk, what="bearing")
    assert (await desk.ask("asset.upkeep"))["P-101"]["what"] == "bearing"


async def test_a_disk_that_refuses_does_not_say_done(road: Road) -> None:
    desk = desk_of(road)
    road.store.refuses = True
    with pytest.raises(RefusedError, match="not yet on record"):
        await told(road, desk, what="bearing")
