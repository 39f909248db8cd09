"""`wheeltapper up -c CONFIG`: all four processes under one parent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.commands.children import Child, python
from appliance.commands.common import add_config, add_places, configuration, say
from appliance.commands.exits import EXIT_WELL
from appliance.commands.process import until_signalled
from appliance.runtime import logs
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.ports import Clock


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    add_config(parser)
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Keep the processes running until SIGTERM or SIGINT."""
    config = configuration(args.config)
    logs.configure("up")
    asyncio.run(until_signalled(_keep_up(args, config)))
    return EXIT_WELL


def processes(
    config: Config, config_path: Path, *, state_dir: Path, run_dir: Path, clock: Clock
) -> tuple[Child, ...]:
    """Return the processes that a configuration needs, safety first."""
    names = ["hub", "inference"]
    if config.initiators:
        names.insert(0, "safety")
    calls = config.callout is not None and config.callout.leaves_the_gateway
    if config.uplink is not None or calls:
        names.append("sync")
    log_dir = state_dir / "log"
    log_dir.mkdir(parents=True, exist_ok=True)
    places = ("--state-dir", str(state_dir), "--run-dir", str(run_dir))

    def child(name: str) -> Child:
        words = ("-m", "appliance", name, "-c", str(config_path), *places)
        return Child(name, python(*words), log_dir=log_dir, clock=clock)

    return tuple(child(name) for name in names)


async def _keep_up(args: argparse.Namespace, config: Config) -> None:
    children = processes(
        config,
        args.config,
        state_dir=args.state_dir,
        run_dir=args.run_dir,
        clock=SystemClock(),
    )
    say(f"running {', '.join(child.name for child in children)}; logs in")
    say(f"  {args.state_dir / 'log'}")
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(child.run(), name=f"up.{child.name}")
