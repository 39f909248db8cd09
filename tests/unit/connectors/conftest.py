"""A clock that is told, and settings to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.modbus.config import ModbusSettings
from connectors.opcua.config import OpcuaSettings
from tests.unit.connectors.fakes import SetClock

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def modbus() -> Callable[..., ModbusSettings]:
    """Build settings of a Modbus source from what matters."""

    def build(**given: object) -> ModbusSettings:
        sources = {"name": "plc", "connector": "modbus", "host": "192.0.2.1"}
        return ModbusSettings.model_validate(sources | given)

    return build


@pytest.fixture
def opcua() -> Callable[..., OpcuaSettings]:
    """Build settings of an OPC UA source from what matters."""

    def build(**given: object) -> OpcuaSettings:
        sources = {
            "name": "skid",
            "connector": "opcua",
            "url": "opc.tcp://192.0.2.1:4840/",
            "security": {"policy": "none", "allow_insecure": True},
        }
        return OpcuaSettings.model_validate(sources | given)

    return build
