"""Every test of the contract runs on every connector that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import connector_names, load_connector
from tests.contract.modbus_rigs import MODBUS_VARIANTS
from tests.contract.network_rigs import NETWORK_RIGS
from tests.contract.rigs import FILE_RIGS
from tests.contract.wires import ServerLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.contract.network_rigs import NetworkRig
    from tests.contract.rigs import Rig

SERVING_SAFETY = [
    name for name in connector_names() if load_connector(name).reader_path
]
RIGS = NETWORK_RIGS | MODBUS_VARIANTS


@pytest.fixture(scope="session")
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerLoop]:
    """Servers that all tests share."""
    with ServerLoop() as loop:
        yield loop


@pytest_asyncio.fixture(params=[*connector_names(), *MODBUS_VARIANTS])
async def rig(
    request: pytest.FixtureRequest, tmp_path: Path, servers: ServerLoop
) -> AsyncIterator[Rig]:
    """The other side of each installed connector, running."""
    name = request.param
    built: Rig
    if name in RIGS:
        built = RIGS[name](tmp_path, servers)
    else:
        assert name in FILE_RIGS, f"write a Rig for the connector {name!r}"
        built = FILE_RIGS[name](tmp_path)
    await built.start()
    yield built
    await built.stop()


@pytest_asyncio.fixture(params=[*SERVING_SAFETY, *MODBUS_VARIANTS])
async def safety_rig(
    request: pytest.FixtureRequest, tmp_path: Path, servers: ServerLoop
) -> AsyncIterator[NetworkRig]:
    """The other side of each connector that serves safety, running."""
    built = RIGS[request.param](tmp_path, servers)
    await built.start()
    yield built
    await built.stop()
