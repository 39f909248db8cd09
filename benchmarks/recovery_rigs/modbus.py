"""Our Modbus source on a server whose registers count, behind a relay."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes  # noqa: TC002 - pymodbus looks at annotations
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import load_connector
from sim_plant.network import LinkMode, Relay
from sim_plant.toxics import Bandwidth, Blackhole, HalfOpen, Latency, Slicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.recovery_rigs.watch import Watch

LOOPBACK = "127.0.0.1"
COUNT_PERIOD_S, POLL_PERIOD_S, TIMEOUT_S = 0.1, 0.05, 0.5
TAGS = 4
SOON_S = 15.0


@dataclass
class ModbusRig:
    """A device, a relay before it, and us."""

    relay: Relay
    stack: AsyncExitStack
    began_s: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        """What every register shows now."""
        return int((time.monotonic() - self.began_s) / COUNT_PERIOD_S)

    async def serve(self) -> None:
        """Run the device, instead of the one that runs."""
        await self.stack.aclose()
        self.relay.server_port = await self.stack.enter_async_context(device(self))

    def source(self) -> Any:  # noqa: ANN401 - the card's promise is a Source
        """Return a new source of ours for it."""
        card = load_connector("modbus")
        tags = [
            {"id": f"count/{n}", "table": "input", "address": n} for n in range(TAGS)
        ]
        settings = {
            "name": "rig",
            "connector": "modbus",
            "host": LOOPBACK,
            "port": self.relay.port,
            "period_s": POLL_PERIOD_S,
            "stale_after_s": 1.0,
            "timeout_s": TIMEOUT_S,
            "tags": tags,
        }
        return card.source(card.settings.model_validate(settings), SystemClock())

    def lost(self, watch: Watch) -> int:
        """Count what the registers showed and nobody read; there is no history."""
        missing = 0
        for received in watch.received.values():
            seen = {int(value) for value in received.values()}
            missing += max(seen) - min(seen) + 1 - len(seen)
        return missing

    def wrong(self, watch: Watch) -> int:
        """Count values that the registers cannot have had."""
        return sum(
            not 0 <= value <= self.count
            for received in watch.received.values()
            for value in received.values()
        )


@asynccontextmanager
async def device(rig: ModbusRig) -> AsyncIterator[int]:
    """Serve counting registers; yields the port."""

    async def count(function: int, start: int, *given: object) -> ExcCodes | None:
        del function, start
        registers = given[2]
        assert isinstance(registers, list)
        registers[:] = [rig.count & 0xFFFF] * len(registers)
        return None

    words = [SimData(0, count=TAGS, values=0, datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    simulated = SimDevice(1, simdata=(bits, bits, words, words), action=count)
    server = ModbusTcpServer(simulated, address=(LOOPBACK, 0))
    await server.serve_forever(background=True)
    listening: object = server.transport
    assert isinstance(listening, asyncio.Server)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it so


@asynccontextmanager
async def modbus_rig() -> AsyncIterator[ModbusRig]:
    """Run a device and a relay."""
    async with Relay(LOOPBACK, 0, server_port=0) as relay, AsyncExitStack() as stack:
        rig = ModbusRig(relay, stack)
        await rig.serve()
        yield rig


# The faults: each returns at the moment from which recovery is possible.


async def device_restart(rig: ModbusRig, watch: Watch) -> None:
    """The device stops, and starts again."""
    await rig.stack.aclose()
    await watch.until_lost()
    await rig.serve()


async def half_open(rig: ModbusRig, watch: Watch) -> None:
    """The device's end of the connection dies unheard."""
    rig.relay.add(HalfOpen())
    await watch.until_lost()


async def black_hole(rig: ModbusRig, watch: Watch) -> None:
    """Every byte is swallowed."""
    rig.relay.add(Blackhole())
    await watch.until_lost()
    rig.relay.clear()


async def packets_held(rig: ModbusRig, watch: Watch) -> None:
    """No packet arrives until the line is whole, then all do (TCP sends again)."""
    await rig.relay.fail(LinkMode.HANG)
    await watch.until_lost()
    await rig.relay.restore()


async def reset(rig: ModbusRig, watch: Watch) -> None:
    """The connection is reset, and new ones are, until we have noticed."""
    await rig.relay.fail(LinkMode.DROP)
    await watch.until_lost()
    await rig.relay.restore()


async def slow_device(rig: ModbusRig, watch: Watch) -> None:
    """Every answer takes longer than our patience."""
    rig.relay.add(Latency(2 * TIMEOUT_S))
    await watch.until_lost()
    rig.relay.clear()


async def slicing(rig: ModbusRig, watch: Watch) -> None:
    """Frames come in crumbs, late and slowly; nothing may be lost."""
    for toxic in (Slicer(3), Latency(0.02, 0.02), Bandwidth(100_000)):
        rig.relay.add(toxic)
    newest = max(watch.newest_us.values())
    await watch.until_live_after(newest + 2_000_000, within_s=SOON_S)
    rig.relay.clear()


MODBUS_CASES: dict[str, Callable[[ModbusRig, Watch], Awaitable[None]]] = {
    "device restart": device_restart,
    "half-open TCP": half_open,
    "black hole (bytes swallowed)": black_hole,
    "packets held (DROP)": packets_held,
    "connection reset": reset,
    "slow device": slow_device,
    "sliced, slow, late bytes": slicing,
}
