"""Every test of the contract runs on every connector that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import connector_names, load_connector
from tests.contract.modbus_rigs import MODBUS_VARIANTS
from tests.contract.network_rigs import NETWORK_RIGS
from tests.contract.rigs import FILE_RIGS
from tests.contract.secured import Secured, trust
from tests.contract.wires import ServerLoop
from tests.support.opcua_standard import standard_address_space_built_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
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


@pytest.fixture(scope="session", autouse=True)
def _standard_address_space() -> Iterator[None]:
    with standard_address_space_built_once():
        yield


@pytest.fixture(scope="session")
def servers(_standard_address_space: None) -> Iterator[ServerLoop]:
    """Servers that all tests share."""
    with ServerLoop() as loop:
        yield loop


@pytest.fixture(scope="module")
def secured(servers: ServerLoop, tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """An OPC UA server with every policy, which we trust."""
    built = Secured(tmp_path_factory.mktemp("secured"))
    servers.enter(built.serving())
    trust(built)
    return built


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Secured]]:
    """Start a secured server of one test's own."""
    with ServerLoop() as loop:

        def start(**given: Any) -> Secured:  # noqa: ANN401 - fields of Secured
            built = Secured(tmp_path, **given)
            loop.enter(built.serving())
            return built

        yield start


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
