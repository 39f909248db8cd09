"""The demonstration's configuration: a real one, on the simulated plant's addresses."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

ASSET = "P-101"


def write_config(
    path: Path, *, opcua_url: str, modbus_port: int, broker_port: int
) -> None:
    """Write the demonstration's TOML with the addresses filled in."""
    text = files("appliance.commands.demo").joinpath("demo.toml").read_text("utf-8")
    filled = Template(text).substitute(
        opcua_url=opcua_url, modbus_port=modbus_port, broker_port=broker_port
    )
    write_whole(path, filled.encode())
