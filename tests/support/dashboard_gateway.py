"""A gateway in the test's own process: real link, real alarms, real safety logic."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from appliance.config import check_text
from tests.support.dashboard_hub import HubSide
from tests.support.dashboard_safety import SafetySide

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.config import Config
    from tests.support.dashboard_side import SteeredClock


def demo_config() -> Config:
    """Return the demonstration's configuration, armed."""
    text = files("appliance.commands.demo").joinpath("demo.toml").read_text("utf-8")
    filled = Template(text).substitute(
        opcua_url="opc.tcp://127.0.0.1:4840/", modbus_port=5020, broker_port=1883
    )
    config, problems = check_text(filled)
    assert config is not None, problems
    return config


class Gateway(HubSide, SafetySide):
    """Hub and safety, as far as a window sees them; the demonstration's by default."""

    def __init__(
        self, run_dir: Path, clock: SteeredClock, config: Config | None = None
    ) -> None:
        super().__init__(run_dir, clock, demo_config() if config is None else config)
