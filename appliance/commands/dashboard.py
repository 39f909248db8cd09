"""`wheeltapper dashboard`: the window for people, in a terminal."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from appliance.commands.common import add_places
from appliance.commands.exits import EXIT_USAGE, EXIT_WELL, CommandError
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    import argparse

NEEDS = "the dashboard needs the extra: pip install 'wheeltapper[dashboard]'"


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Show it until it is left; the processes may come and go meanwhile."""
    if find_spec("textual") is None:
        raise CommandError(NEEDS, EXIT_USAGE)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError("the dashboard needs a terminal", EXIT_USAGE)
    from appliance.dashboard.app import Dashboard  # noqa: PLC0415 - an extra

    app = Dashboard(args.run_dir, clock=SystemClock(), state_dir=args.state_dir)
    app.run()
    return app.return_code or EXIT_WELL
