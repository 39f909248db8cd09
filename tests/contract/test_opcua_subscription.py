"""Groups, limits, filters and late nodes, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from asyncua import ua

from appliance.domain.sample import Quality
from tests.contract.opcua_plant import URI, Plant, plant, replace_method, tag

if TYPE_CHECKING:
    from appliance.domain.ports import Clock


async def test_of_ten_thousand_tags_those_with_a_node_live_and_the_others_are_named(
    clock: Clock,
) -> None:
    async with plant() as server:
        for row in range(99):
            await server.add(f"n{row}", float(row))
        server.limit(per_call=700, per_subscription=3000)
        await server.say(
            "Server_ServerCapabilities_OperationLimits_MaxNodesPerRead", 400
        )
        tags = [
            tag(f"t{row}") | {"node": f"nsu={URI};s=n{row % 100}"}
            for row in range(10_000)
        ]
        opened = server.source(clock, tags, stale_after_s=9.0, keep_alive_s=2.0)
        await opened.until(lambda seen: len(seen.status) == 10_000)
    (refused,) = opened.source.diagnostics
    assert len(opened.live) == 9_900
    assert (refused.key, len(refused.tags)) == ("refused BadNodeIdUnknown", 100)
    assert "P-101/t99, P-101/t199" in refused.message
    bad = {each for each, status in opened.status.items() if status == 0x8034_0000}
    assert bad == set(refused.tags)


async def test_a_limit_that_the_server_names_is_kept_from_the_beginning(
    clock: Clock,
) -> None:
    async with plant() as server:
        for row in range(10):
            await server.add(f"n{row}", float(row))
        server.limit(per_call=3, per_subscription=4)
        limits = "Server_ServerCapabilities_OperationLimits_"
        await server.say(limits + "MaxMonitoredItemsPerCall", 3)
        await server.say(limits + "MaxNodesPerBrowse", 2)
        opened = server.source(clock, [tag(f"n{row}") for row in range(10)])
        await opened.until(lambda seen: len(seen.live) == 10 and bool(seen.confirmed))
        assert opened.confirmed == {"limits.subscription"}
        assert opened.source.diagnostics == ()


async def test_what_finds_no_room_is_polled_and_changes_all_the_same(
    clock: Clock,
) -> None:
    async with plant() as server:
        nodes = [await server.add(f"n{row}", 0.0) for row in range(6)]
        server.limit(per_subscription=4)
        server.server.iserver.max_subscriptions = 1
        opened = server.source(clock, [tag(f"n{row}") for row in range(6)])
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: len(seen.live) == 6)
            for row, node in enumerate(nodes):
                await node.write_value(float(10 + row))
            await opened.take_until(
                batches,
                lambda seen: sorted(seen.value.values()) == [10, 11, 12, 13, 14, 15],
            )
        assert opened.confirmed == {"limits.subscription"}
        assert opened.source.diagnostics == ()


async def test_without_room_a_group_that_must_subscribe_names_its_tags(
    clock: Clock,
) -> None:
    async with plant() as server:
        for row in range(3):
            await server.add(f"n{row}", 0.0)
        server.limit(per_subscription=2)
        server.server.iserver.max_subscriptions = 1
        tags = [tag(f"n{row}") for row in range(3)]
        opened = server.source(clock, tags, mode="subscribe")
        await opened.until(lambda seen: len(seen.status) == 3)
        assert opened.status["P-101/n2"] == ua.StatusCodes.BadTooManySubscriptions
        (refused,) = opened.source.diagnostics
        assert refused.tags == ("P-101/n2",)


async def test_each_group_has_its_own_road_and_is_confirmed_by_itself(
    clock: Clock,
) -> None:
    async with plant() as server:
        node = await server.add("polled", 1.0)
        await server.add("told", 2.0)
        groups = [{"name": "slow", "publishing_interval_s": 0.05, "mode": "poll"}]
        tags = [tag("polled", group="slow"), tag("told")]
        opened = server.source(clock, tags, groups=groups)
        assert sorted(opened.source.groups) == ["limits.slow", "limits.subscription"]
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: len(seen.live) == 2)
            await opened.take_until(batches, lambda seen: len(seen.batches) > 8)
            assert opened.confirmed == set(opened.source.groups)
            told = [row for row in opened.rows if row[0] == "P-101/polled"]
            assert len(told) == 1  # unchanged: confirmed, not told again
            await node.write_value(5.0)
            await opened.take_until(
                batches, lambda seen: seen.value["P-101/polled"] == 5.0
            )
            services = server.server.iserver.subscription_service.subscriptions
            assert len(services) == 1


async def test_a_polled_value_keeps_its_source_and_server_time(clock: Clock) -> None:
    async with plant() as server:
        node = await server.add("polled", 1.0)
        moment = ua.DateTime(2026, 3, 1, 12, tzinfo=None)
        value = ua.DataValue(ua.Variant(1.0), SourceTimestamp=moment)
        await node.write_value(value)
        opened = server.source(clock, [tag("polled")], mode="poll")
        await opened.until(lambda seen: len(seen.batches) > 3 and bool(seen.live))
    rows = [batch for batch in opened.batches if len(batch)]
    assert len(rows) == 1
    assert rows[0].source_time_ns.tolist() == [1_772_366_400_000_000_000]
    assert rows[0].server_time_ns is not None


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_a_node_that_appears_later_comes_alive_on_the_same_connection(
    clock: Clock, mode: str
) -> None:
    async with plant() as server:
        await server.add("here", 1.0)
        opened = server.source(clock, [tag("here"), tag("late")], mode=mode)
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: len(seen.status) == 2)
            assert opened.status["P-101/late"] == ua.StatusCodes.BadNodeIdUnknown
            assert [each.key for each in opened.source.diagnostics] == [
                "refused BadNodeIdUnknown"
            ]
            await server.add("late", 2.0)
            await opened.take_until(
                batches, lambda seen: seen.value["P-101/late"] == 2.0
            )
            assert opened.source.diagnostics == ()


async def test_a_server_that_takes_no_deadband_costs_no_tag(clock: Clock) -> None:
    async with plant() as server:
        node = await server.add("flow", 10.0)
        refuse_filters(server, {ua.DeadbandType.Absolute, ua.DeadbandType.Percent})
        tags = [tag("flow", deadband_pct=5.0, range_low=0.0, range_high=100.0)]
        opened = server.source(clock, tags)
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: bool(seen.live))
            for value in (12.0, 14.0, 16.0):
                await node.write_value(value)
            await opened.take_until(batches, lambda seen: seen.rows[-1][1] == 16.0)
    assert [row[1] for row in opened.rows] == [10.0, 16.0]


async def test_the_server_applies_an_absolute_deadband(clock: Clock) -> None:
    async with plant() as server:
        node = await server.add("flow", 10.0)
        opened = server.source(clock, [tag("flow", deadband=3.0)])
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: bool(seen.live))
            # asyncua compares with the value before, told or not.
            for value in (11.0, 12.0, 20.0):
                await node.write_value(value)
            await opened.take_until(batches, lambda seen: seen.rows[-1][1] == 20.0)
    assert [row[1] for row in opened.rows] == [10.0, 20.0]


async def test_a_queue_that_overflows_is_a_loss_with_a_name(clock: Clock) -> None:
    async with plant() as server:
        node = await server.add("flow", 0.0)
        opened = server.source(clock, [tag("flow", queue_size=1)])
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: bool(seen.live))
            status = ua.StatusCode(ua.UInt32(0x0000_0480))
            await node.write_value(ua.DataValue(ua.Variant(1.0), status))
            await opened.take_until(batches, lambda seen: seen.rows[-1][1] == 1.0)
        assert opened.source.lost == 1
        (overflow,) = opened.source.diagnostics
        assert (overflow.key, overflow.tags) == ("overflow", ("P-101/flow",))
        assert np.isclose(opened.batches[-1].quality[-1], Quality.GOOD)


def refuse_filters(server: Plant, kinds: set[ua.DeadbandType]) -> None:
    """Have the server refuse these deadbands, as the standard says."""
    service = server.server.iserver.subscription_service
    create = service.create_monitored_items

    async def picky(
        params: ua.CreateMonitoredItemsParameters,
    ) -> list[ua.MonitoredItemCreateResult]:
        wished = params.ItemsToCreate[0].RequestedParameters.Filter
        if wished is not None and wished.DeadbandType in kinds:
            code = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadDeadbandFilterInvalid))
            return [ua.MonitoredItemCreateResult(StatusCode=code)]
        return await create(params)

    replace_method(service, "create_monitored_items", picky)
