"""What only an OPC UA connection does, on a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from appliance.domain.batch import Batch
from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.checks import Checks
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.connection import Connection
from connectors.opcua.inbox import Inbox
from connectors.opcua.intake import Intake
from connectors.opcua.published import Published
from connectors.opcua.source import OpcuaSource
from tests.contract.network_rigs import OpcuaRig
from tests.unit.connectors.fakes import SetClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.contract.wires import ServerLoop

LEVEL = f"nsu={OpcuaRig.uri};s=rig/level"


@pytest_asyncio.fixture
async def opcua(tmp_path: Path, servers: ServerLoop) -> AsyncIterator[OpcuaRig]:
    built = OpcuaRig(tmp_path, servers)
    await built.start()
    yield built
    await built.stop()


def settings_of(rig: OpcuaRig) -> OpcuaSettings:
    settings = rig.settings
    assert isinstance(settings, OpcuaSettings)
    return settings


async def level_of(connection: Connection) -> object:
    known = [node for node in connection.node_ids if node is not None]
    (value,) = await connection.read(known)
    assert value.Value is not None
    content: object = value.Value.Value
    return content


async def test_the_channel_is_renewed_before_its_life_is_over(opcua: OpcuaRig) -> None:
    clock = SetClock()
    connection = await Connection.connect(settings_of(opcua), clock, nodes=[LEVEL])
    for _ in range(3):
        clock.pass_s(3000)
        assert await level_of(connection) == 85.5
    await connection.leave()


async def test_a_slow_server_is_waited_for_and_a_silent_one_is_not(
    opcua: OpcuaRig,
) -> None:
    clock = SetClock()
    connection = await Connection.connect(settings_of(opcua), clock, nodes=[LEVEL])
    opcua.gate.hold()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await level_of(connection)
    opcua.gate.release()
    assert await level_of(connection) == 85.5
    opcua.gate.hold()
    clock.pass_s(60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await level_of(connection)
    with pytest.raises(SourceUnavailableError, match="is lost"):
        await level_of(connection)
    await connection.leave()


async def test_a_subscription_that_the_server_ends_is_a_loss(opcua: OpcuaRig) -> None:
    settings, clock = settings_of(opcua), SetClock()
    numbers = {tag.tag().id: row for row, tag in enumerate(settings.tags)}
    connection = await Connection.connect(settings, clock)
    intake = Intake(settings, Checks(settings, numbers), clock=clock)
    await intake.begin(connection, numbers, put=Inbox("rig", 9).add)
    (subscription,) = intake.subscriptions
    ended = Published(b"", subscription.id, 1, 1, ended=0x800A_0000)
    with pytest.raises(SourceUnavailableError, match="BadTimeout"):
        intake.take(ended)
    await connection.leave()


async def test_a_waveform_without_a_rate_is_bad_and_hurts_no_other(
    opcua: OpcuaRig,
) -> None:
    wave = {"id": "rig/setpoint", "node": f"nsu={opcua.uri};s=rig/setpoint"}
    tags = [wave | {"waveform": True}, {"id": "rig/level", "node": LEVEL}]
    given = settings_of(opcua).model_dump() | {"tags": tags}
    source = OpcuaSource(OpcuaSettings.model_validate(given), SetClock())
    (names,) = source.groups.values()
    async with source.open({tag: row for row, tag in enumerate(names)}) as batches:
        refused, first = await anext(batches), await anext(batches)
    assert isinstance(refused, Batch)
    assert isinstance(first, Batch)
    assert (refused.tag.tolist(), refused.status.tolist()) == ([0], [0x8089_0000])
    assert first.tag.tolist() == [1]
    assert source.lost == 0
