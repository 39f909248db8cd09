"""`wheeltapper safety|hub|inference|sync`: one process in the foreground."""

from __future__ import annotations

import asyncio
import signal
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from appliance.commands.common import add_config, add_places, configuration
from appliance.commands.exits import EXIT_WELL, CommandError
from appliance.runtime import logs
from appliance.runtime.clock import SystemClock
from appliance.runtime.places import use_state_dir
from appliance.runtime.startup import CannotStartError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.ports import Clock


class ProcessModule(Protocol):
    """What `appliance.<name>.process` offers."""

    async def run(
        self, config: Config, *, state_dir: Path, run_dir: Path, clock: Clock
    ) -> None:
        """Work until cancelled."""
        ...


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    parser.set_defaults(process=name)
    add_config(parser)
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; then let go in order."""
    config = configuration(args.config)
    logs.configure(args.process)
    for folder in (args.state_dir, args.run_dir):
        folder.mkdir(parents=True, exist_ok=True)
    use_state_dir(args.state_dir)
    # By name, so that a process imports itself alone: safety never sees numpy.
    module = cast("ProcessModule", import_module(f"appliance.{args.process}.process"))
    work = module.run(
        config, state_dir=args.state_dir, run_dir=args.run_dir, clock=SystemClock()
    )
    new_loop = getattr(module, "new_loop", None)  # safety has one that is punctual
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(until_signalled(work))
    except CannotStartError as error:
        raise CommandError(f"{args.process} cannot start: {error}") from error
    return EXIT_WELL


async def until_signalled(work: Awaitable[None]) -> None:
    """Await `work`, cancelling it on SIGTERM or SIGINT.

    Raises:
        Exception: What `work` raises.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    try:
        await work
    except asyncio.CancelledError:
        if not stopped:
            raise
