"""The shell: real time, two servers, link faults, the truth log."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim_plant.clock import PlantClock
from sim_plant.network import Relay
from sim_plant.plc import SCAN_PERIOD_S
from sim_plant.servers.modbus import ModbusFace
from sim_plant.servers.opcua import PUBLISH_PERIOD_S, OpcUaFace
from sim_plant.truth import TruthEntry, TruthLog

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from typing import TextIO

    from sim_plant.faults import LinkFault
    from sim_plant.plant import Plant

_SCANS_PER_PUBLISH = round(PUBLISH_PERIOD_S / SCAN_PERIOD_S)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; 0 takes a free port."""

    host: str = "127.0.0.1"
    opcua: int = 0
    modbus: int = 0


async def serve(plant: Plant, ports: Ports, *, truth: TextIO | None) -> None:
    """Run the plant in real time until SIGTERM or SIGINT.

    Prints one JSON line when both servers listen.

    Raises:
        OSError: A port cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as closing:
        clock = PlantClock()
        # The address space is large and stays: no collection shall walk it, neither
        # while it is built (half a second) nor between two scans.
        gc.disable()
        opcua, modbus, relays = await _listen(plant, ports, clock, closing)
        gc.freeze()
        gc.enable()
        clock.restart()
        await opcua.publish_all()
        log = TruthLog(truth, start_utc_ns=clock.start_utc_ns)
        log.write(plant.opening())
        _announce(plant, ports, clock, ports_in_use=(opcua, modbus, relays))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(
                    _scan(plant, clock, log, opcua), name="sim_plant.scan"
                ),
                tasks.create_task(
                    _break_links(plant.scenario.link_faults, relays, clock, log),
                    name="sim_plant.links",
                ),
            ]
            await stop.wait()
            for task in running:
                task.cancel()


async def _listen(
    plant: Plant, ports: Ports, clock: PlantClock, closing: AsyncExitStack
) -> tuple[OpcUaFace, ModbusFace, dict[str, Relay]]:
    """Start both servers; one whose link will fail listens behind a relay."""
    failing: set[str] = {fault.server for fault in plant.scenario.link_faults}
    wanted = {"opcua": ports.opcua, "modbus": ports.modbus}
    own = {name: 0 if name in failing else port for name, port in wanted.items()}
    opcua = await closing.enter_async_context(
        OpcUaFace(
            plant,
            host=ports.host,
            port=own["opcua"],
            clock=clock,
        )
    )
    modbus = await closing.enter_async_context(
        ModbusFace(plant, host=ports.host, port=own["modbus"])
    )
    behind = {"opcua": opcua.port, "modbus": modbus.port}
    relays: dict[str, Relay] = {}
    for name in sorted(failing):
        relay = Relay(ports.host, wanted[name], server_port=behind[name])
        relays[name] = await closing.enter_async_context(relay)
    return opcua, modbus, relays


def _announce(
    plant: Plant,
    ports: Ports,
    clock: PlantClock,
    *,
    ports_in_use: tuple[OpcUaFace, ModbusFace, dict[str, Relay]],
) -> None:
    opcua, modbus, relays = ports_in_use
    opcua_port = relays["opcua"].port if "opcua" in relays else opcua.port
    modbus_port = relays["modbus"].port if "modbus" in relays else modbus.port
    ready = {
        "ready": True,
        "scenario": plant.scenario.name,
        "opcua_url": f"opc.tcp://{ports.host}:{opcua_port}/",
        "opcua_port": opcua_port,
        "modbus_host": ports.host,
        "modbus_port": modbus_port,
        "start_utc_ns": clock.start_utc_ns,
        "pid": os.getpid(),
    }
    print(json.dumps(ready), flush=True)  # noqa: T201 - the line a parent waits for


async def _scan(
    plant: Plant, clock: PlantClock, log: TruthLog, opcua: OpcUaFace
) -> None:
    """Scan every 20 ms; a scan that comes late is not made up for."""
    scans, due_s = 0, clock.now_s()
    while True:
        log.write(plant.scan(clock.now_s()))
        scans += 1
        if scans % _SCANS_PER_PUBLISH == 0:
            await opcua.publish()
        else:
            await opcua.publish_plc()
        burst = plant.take_burst()
        if burst is not None:
            await opcua.publish_burst(burst)
            await opcua.publish_time()
        due_s = max(due_s + SCAN_PERIOD_S, clock.now_s())
        await asyncio.sleep(due_s - clock.now_s())


async def _break_links(
    faults: tuple[LinkFault, ...],
    relays: dict[str, Relay],
    clock: PlantClock,
    log: TruthLog,
) -> None:
    """Let each link fail and come back when the scenario says so."""
    turns: list[tuple[float, LinkFault, bool]] = []
    for fault in faults:
        turns.append((fault.at_s, fault, False))
        turns.append((fault.at_s + fault.for_s, fault, True))
    turns.sort(key=_when)
    for at_s, fault, whole in turns:
        await asyncio.sleep(max(at_s - clock.now_s(), 0.0))
        relay = relays[fault.server]
        await (relay.restore() if whole else relay.fail(fault.mode))
        fields = {"what": fault.server, "mode": fault.mode.value}
        kind = "link_up" if whole else "link_down"
        log.write([TruthEntry(clock.now_s(), kind, fields)])


def _when(turn: tuple[float, LinkFault, bool]) -> float:
    return turn[0]
