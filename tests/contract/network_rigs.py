"""Servers behind a gate: the other side of the connectors that use a network."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asyncua import Server, ua
from pymodbus.constants import ExcCodes  # noqa: TC002 - pymodbus looks at annotations
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from appliance.runtime.listening import stop_listening
from appliance.runtime.plugins import load_connector
from tests.contract.rigs import Rig
from tests.contract.wires import LOOPBACK, Gate, ServerLoop, free_port, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.runtime.plugins import SourceSettings

STUBBORN = 2
READ_HOLDING = 3


class NetworkRig(Rig):
    """A server behind a gate; `kind` tells it from others of the same connector."""

    kind = ""

    def __init__(self, folder: Path, servers: ServerLoop) -> None:
        super().__init__(folder)
        self.gate = Gate()
        self.gate.target = servers.port_of(self.kind or self.connector, self.serving)

    async def start(self) -> None:
        await self.gate.open()

    async def cut(self) -> None:
        await self.gate.close()

    async def mend(self) -> None:
        self.gate.release()
        await self.gate.open()

    async def silence(self) -> None:
        """Keep every connection, but let nothing pass."""
        self.gate.hold()

    async def stop(self) -> None:
        await self.gate.close()

    @staticmethod
    @abstractmethod
    def serving() -> AbstractAsyncContextManager[int]:
        """Run the server; its port."""


class ModbusRig(NetworkRig):
    connector = "modbus"
    good = frozenset({"rig/level", "rig/hours", "rig/running", "rig/local"})
    bad = frozenset({"rig/broken", "rig/absent", "rig/too_high"})
    point = "setpoint"
    refused_point = "locked"
    stubborn_point = "stubborn"

    @property
    def settings(self) -> SourceSettings:
        return load_connector("modbus").settings.model_validate(
            {
                "name": "rig",
                "connector": "modbus",
                "host": LOOPBACK,
                "port": self.gate.port,
                "period_s": 0.05,
                "stale_after_s": 1.0,
                "timeout_s": 0.5,
                "groups": [{"name": "slow", "period_s": 0.2}],
                "tags": [
                    {"id": "rig/level", "table": "input", "address": 0, "factor": 0.1},
                    {
                        "id": "rig/broken",
                        "table": "input",
                        "address": 1,
                        "fault_raw": 0xFFFF,
                    },
                    {
                        "id": "rig/hours",
                        "table": "input",
                        "address": 2,
                        "type": "float32",
                        "group": "slow",
                    },
                    {"id": "rig/absent", "table": "input", "address": 6},
                    {
                        "id": "rig/too_high",
                        "table": "input",
                        "address": 0,
                        "range_high": 1.0,
                    },
                    {"id": "rig/running", "table": "discrete", "address": 2},
                    {
                        "id": "rig/local",
                        "table": "holding",
                        "address": 1,
                        "type": "bit",
                        "bit": 3,
                    },
                ],
                "points": [
                    {
                        "name": "setpoint",
                        "table": "holding",
                        "address": 0,
                        "range": [0, 65535],
                    },
                    {
                        "name": "locked",
                        "table": "holding",
                        "address": 300,
                        "values": [0, 1],
                    },
                    {
                        "name": "stubborn",
                        "table": "holding",
                        "address": STUBBORN,
                        "range": [0, 65535],
                    },
                ],
            }
        )

    @staticmethod
    @asynccontextmanager
    async def serving() -> AsyncIterator[int]:
        server = ModbusTcpServer(rig_device(), address=(LOOPBACK, 0))
        async with listening(server) as port:
            yield port


class OpcuaRig(NetworkRig):
    connector = "opcua"
    uri = "urn:wheeltapper:rig"
    good = frozenset({"rig/level", "rig/running", "rig/name", "rig/count", "rig/burst"})
    bad = frozenset({"rig/absent", "rig/elsewhere", "rig/failed", "rig/too_high"})
    point = "setpoint"
    refused_point = "locked"
    stubborn_point = "stubborn"

    @property
    def settings(self) -> SourceSettings:
        names = sorted((self.good | self.bad) - {"rig/elsewhere", "rig/burst"})
        tags: list[dict[str, object]] = [
            {"id": name, "node": f"nsu={self.uri};s={name}"} for name in names
        ]
        for tag in tags:
            if tag["id"] == "rig/too_high":
                tag["range_high"] = 1.0
        tags.append({"id": "rig/elsewhere", "node": "nsu=urn:other;s=x"})
        tags.append(
            {"id": "rig/burst", "node": f"nsu={self.uri};s=rig/burst", "waveform": True}
        )
        return load_connector("opcua").settings.model_validate(
            {
                "name": "rig",
                "connector": "opcua",
                "url": f"opc.tcp://{LOOPBACK}:{self.gate.port}/",
                "security": {"policy": "none", "allow_insecure": True},
                "timeout_s": 1.0,
                "publishing_interval_s": 0.05,
                "keep_alive_s": 0.2,
                "stale_after_s": 1.0,
                "tags": tags,
                "points": [
                    {
                        "name": "setpoint",
                        "node": f"nsu={self.uri};s=rig/setpoint",
                        "type": "UInt16",
                    },
                    {
                        "name": "locked",
                        "node": f"nsu={self.uri};s=rig/level",
                        "type": "Double",
                    },
                    {
                        "name": "stubborn",
                        "node": f"nsu={self.uri};s=rig/stubborn",
                        "type": "UInt16",
                    },
                ],
            }
        )

    @staticmethod
    @asynccontextmanager
    async def serving() -> AsyncIterator[int]:
        port = free_port()
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://{LOOPBACK}:{port}/")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace(OpcuaRig.uri)
        contents: dict[str, ua.Variant] = {
            "rig/level": ua.Variant(85.5, ua.VariantType.Double),
            "rig/too_high": ua.Variant(85.5, ua.VariantType.Float),
            "rig/running": ua.Variant(True, ua.VariantType.Boolean),
            "rig/name": ua.Variant("Pumpe 1", ua.VariantType.String),
            "rig/count": ua.Variant(2**60 + 1, ua.VariantType.UInt64),
            "rig/failed": ua.Variant(12.5, ua.VariantType.Double),
            "rig/burst": ua.Variant([0.5, -0.5, 1.5], ua.VariantType.Float),
            "rig/setpoint": ua.Variant(0, ua.VariantType.UInt16),
            "rig/stubborn": ua.Variant(0, ua.VariantType.UInt16),
        }
        for name, content in contents.items():
            node = await server.nodes.objects.add_variable(
                ua.NodeId.from_string(f"ns={index};s={name}"), name, content
            )
            if name in ("rig/setpoint", "rig/stubborn"):
                await node.set_writable()
            if name == "rig/stubborn":
                server.iserver.aspace.set_attribute_value_setter(
                    node.nodeid, ua.AttributeIds.Value, _forget
                )
            if name == "rig/burst":
                await node.add_property(index, "SampleRate", 2048.0)
            if name == "rig/failed":
                failed = ua.DataValue(
                    content, StatusCode=ua.StatusCode(ua.UInt32(0x808C_0000))
                )
                await node.write_value(failed)
        async with server:
            yield port
            listener = getattr(server.bserver, "_server", None)
            assert isinstance(listener, asyncio.Server)
            await stop_listening(listener)


NETWORK_RIGS: dict[str, type[NetworkRig]] = {"modbus": ModbusRig, "opcua": OpcuaRig}


def rig_device() -> SimDevice:
    """Return the device of every Modbus rig."""
    bits, registers = DataType.BITS, DataType.REGISTERS
    words = [855, 0xFFFF, 0x43F6, 0x9DF4]  # 855 and float32 493.23402…
    coils = [SimData(0, values=[False] * 16, datatype=bits)]
    discrete = [SimData(0, values=[False, False, True] + [False] * 13, datatype=bits)]
    holding = [SimData(0, values=[0, 0b1000, 0], datatype=registers)]
    inputs = [SimData(0, values=words, datatype=registers)]
    return SimDevice(
        1, simdata=(coils, discrete, holding, inputs), action=_forget_stubborn
    )


@asynccontextmanager
async def listening(server: ModbusTcpServer) -> AsyncIterator[int]:
    """Run a server; its port."""
    await server.serve_forever(background=True)
    listener = server.transport
    assert isinstance(listener, asyncio.Server)
    yield listener.sockets[0].getsockname()[1]
    await stop_listening(listener)
    await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it so
    await settle()


async def _forget_stubborn(
    function: int, start: int, *given: object
) -> ExcCodes | None:
    """Let the stubborn register be 0 whenever holding registers are read."""
    registers = given[2]
    assert isinstance(registers, list)
    if function == READ_HOLDING and 0 <= STUBBORN - start < len(registers):
        registers[STUBBORN - start] = 0
    return None


def _forget(*_: object) -> ua.DataValue:
    """Take a write and keep nothing of it."""
    return ua.DataValue()
