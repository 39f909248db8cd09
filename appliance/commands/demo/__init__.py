"""`wheeltapper demo`: the whole product on the simulated plant, measured."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.commands.children import ChildFailedError
from appliance.commands.common import say
from appliance.commands.demo.plan import How, Plan, PlanError, parse_break
from appliance.commands.demo.programs import NAMES
from appliance.commands.demo.report import broken_laws, report
from appliance.commands.demo.stage import Demonstration
from appliance.commands.demo.theatre import has_audience
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_USAGE,
    EXIT_WELL,
    CommandError,
)
from appliance.commands.process import until_signalled
from appliance.runtime import logs
from appliance.runtime.clock import SystemClock
from appliance.runtime.durations import DurationError, seconds
from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    import argparse
    from typing import Any

SCENARIOS = (
    "bearing-wear",
    "healthy",
    "overtemperature",
    "cavitation",
    "sensor-stuck",
    "link-loss",
)


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    parser.add_argument(
        "scenario", nargs="?", default="bearing-wear", choices=SCENARIOS,
        metavar="SCENARIO", help=f"one of {', '.join(SCENARIOS)}",
    )  # fmt: skip
    parser.add_argument("--headless", action="store_true", help="no dashboard")
    parser.add_argument(
        "--for", dest="length", default="90s", metavar="TIME",
        help="how long: 90s, 3m (default 90s; at least 60s)",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE.json")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep everything of this run there (default: a temporary folder)",
    )  # fmt: skip
    parser.add_argument(
        "--kill", action="append", default=[], metavar="NAME@50s",
        help=f"SIGKILL a program at a time: {', '.join(NAMES)}",
    )  # fmt: skip
    parser.add_argument(
        "--down", action="append", default=[], metavar="NAME@40s+30s",
        help="kill a program and keep it down for a while",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; exit 1 if a law is broken."""
    try:
        plan = Plan(seconds(args.length))
        breaks = [parse_break(How.KILL, text, NAMES) for text in args.kill]
        breaks += [parse_break(How.DOWN, text, NAMES) for text in args.down]
    except (PlanError, DurationError) as error:
        raise CommandError(str(error), EXIT_USAGE) from error
    for module, extra in (("sklearn", "train"), ("duckdb", "fleet")):
        if find_spec(module) is None:
            raise CommandError(f"the demo needs the extra: wheeltapper[{extra}]")
    logs.configure("demo", logging.WARNING)
    root = args.keep or Path(tempfile.mkdtemp(prefix="wheeltapper-demo-"))
    show = Demonstration(
        args.scenario, plan, root=root.resolve(), breaks=breaks, clock=SystemClock()
    )
    found: list[dict[str, Any]] = []
    try:
        watched = has_audience(headless=args.headless)
        asyncio.run(until_signalled(_perform(show, found, watched=watched)))
    except* ChildFailedError as errors:
        raise CommandError("; ".join(str(each) for each in errors.exceptions)) from None
    finally:
        if args.keep is None and found:
            shutil.rmtree(root, ignore_errors=True)
    if not found:
        say(f"stopped early; logs are in {root / 'state' / 'log'}")
        return EXIT_FINDING
    return _conclude(found[0], args.report)


async def _perform(
    show: Demonstration, found: list[dict[str, Any]], *, watched: bool
) -> None:
    found.append(report(await show.run(watched=watched)))


def _conclude(result: dict[str, Any], path: Path | None) -> int:
    say("")
    for key, value in result.items():
        say(f"{key:20} {value}")
    if path is not None:
        write_whole(path, json.dumps(result, indent=2).encode() + b"\n", mode=0o644)
        say(f"report written to {path}")
    broken = broken_laws(result)
    for law in broken:
        say(f"BROKEN: {law}")
    return EXIT_FINDING if broken else EXIT_WELL
