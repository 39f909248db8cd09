"""The programs of a demonstration: plant, broker, fleet, and the product's own four."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.commands.children import Child, python
from appliance.commands.demo.settings import write_config
from appliance.commands.up import processes
from appliance.config import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.commands.demo.plan import Plan
    from appliance.config import Config, InitiatorSettings
    from appliance.domain.ports import Clock

OUTER = ("plant", "broker", "ingest")
INNER = ("safety", "hub", "inference", "sync")
NAMES = (*OUTER, *INNER)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports, chosen before anything starts, so that a restart finds them."""

    opcua: int
    modbus: int
    broker: int


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and files of one demonstration."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "wheeltapper.toml"

    @property
    def truth(self) -> Path:
        """What really happened in the plant (JSON lines)."""
        return self.root / "truth.jsonl"

    @property
    def lake(self) -> Path:
        """The fleet's Parquet files."""
        return self.root / "lake"

    @property
    def state(self) -> Path:
        """The gateway's state."""
        return self.root / "state"

    @property
    def run(self) -> Path:
        """The gateway's sockets."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """What every program printed."""
        return self.root / "state" / "log"


def free_ports() -> Ports:
    """Return three loopback ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(3)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in sockets))
    finally:
        for each in sockets:
            each.close()


def outer_programs(
    scenario: str,
    plan: Plan,
    *,
    guard: InitiatorSettings,
    places: Places,
    ports: Ports,
    clock: Clock,
) -> dict[str, Child]:
    """Return plant, broker and ingest: what stands around a gateway.

    The plant notes when the guard's channels pass its setpoint, for the report.
    """
    limits = [f"{channel}>{guard.setpoint}" for channel in guard.channels]
    marks = [word for limit in limits for word in ("--mark", limit)]
    plant = (
        "-m", "sim_plant", scenario,
        "--opcua-port", str(ports.opcua), "--modbus-port", str(ports.modbus),
        "--truth", str(places.truth), "--fault-at", str(plan.fault_at_s), *marks,
    )  # fmt: skip
    if scenario == "bearing-wear":
        plant = (*plant, "--speed", str(plan.speed))
    broker = ("-m", "fleet", "broker", "--port", str(ports.broker))
    ingest = (
        "-m", "fleet", "ingest",
        "--broker", f"127.0.0.1:{ports.broker}", "--lake", str(places.lake),
    )  # fmt: skip
    words = {"plant": plant, "broker": broker, "ingest": ingest}
    return {
        name: Child(
            name, python(*words[name]), log_dir=places.log, clock=clock, ready=True
        )
        for name in OUTER
    }


def inner_programs(config: Config, *, places: Places, clock: Clock) -> dict[str, Child]:
    """Return the gateway's own processes."""
    children = processes(
        config, places.config, state_dir=places.state, run_dir=places.run, clock=clock
    )
    return {child.name: child for child in children}


def configure_gateway(places: Places, ports: Ports) -> Config:
    """Write the configuration for these ports and read it as the gateway will."""
    write_config(
        places.config,
        opcua_url=f"opc.tcp://127.0.0.1:{ports.opcua}/",
        modbus_port=ports.modbus,
        broker_port=ports.broker,
    )
    return load_config(places.config)
