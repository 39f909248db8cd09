"""`python -m sim_plant SCENARIO`: run the plant until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sim_plant import scenario as scenarios
from sim_plant.plant import Plant
from sim_plant.reporting import Mark
from sim_plant.scenario import ScenarioError
from sim_plant.service import Ports, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

EXIT_USAGE, EXIT_UNREACHABLE = 2, 69


def main(argv: Sequence[str] | None = None) -> int:
    """Run the plant; 0 after a signal, 2 for bad usage, 69 for a taken port."""
    parser = _parser()
    chosen = parser.parse_args(argv)
    try:
        plant = _plant(chosen)
    except ScenarioError as error:
        parser.error(str(error))
    # The libraries log each lost client; the ready line and the truth log are enough.
    logging.basicConfig(level=logging.CRITICAL)
    ports = Ports(chosen.host, opcua=chosen.opcua_port, modbus=chosen.modbus_port)
    with contextlib.ExitStack() as open_files:
        truth: TextIO | None = None
        if chosen.truth is not None:
            truth = open_files.enter_context(chosen.truth.open("w", encoding="utf-8"))
        try:
            asyncio.run(serve(plant, ports, truth=truth))
        except OSError as error:
            print(f"sim_plant: {error}", file=sys.stderr)  # noqa: T201 - a command
            return EXIT_UNREACHABLE
    return 0


def _plant(chosen: argparse.Namespace) -> Plant:
    scenario = scenarios.load(chosen.scenario)
    if chosen.fault_at is not None:
        scenario = scenario.with_first_fault_at(chosen.fault_at)
    return Plant(
        scenario,
        seed=chosen.seed,
        speed=chosen.speed,
        marks=tuple(chosen.mark),
        disarmed=chosen.disarmed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim_plant", description=__doc__)
    shipped = ", ".join(scenarios.names())
    add = parser.add_argument
    add("scenario", help=f"one of {shipped}, or a TOML file")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--opcua-port", type=_port, default=0, help="0 takes a free one")
    add("--modbus-port", type=_port, default=0, help="0 takes a free one")
    add("--speed", type=_not_negative, help="wear-seconds per second; wear only")
    add("--truth", type=Path, metavar="FILE.jsonl", help="write the ground truth here")
    add("--seed", type=_seed, help="of all noise; the scenario has its own")
    add("--fault-at", type=_not_negative, metavar="S", help="first fault's onset")
    add(
        "--mark",
        type=_mark,
        action="append",
        default=[],
        metavar="'TAG>VALUE'",
        help="note in the truth log when the presented value passes a limit",
    )
    add("--disarmed", action="store_true", help="power up with the key on, running")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:  # noqa: PLR2004 - TCP's own limit
        raise argparse.ArgumentTypeError(f"{port} is not a TCP port")
    return port


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return seed


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return value


def _mark(text: str) -> Mark:
    tag, separator, limit = text.rpartition(">")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not TAG>VALUE")
    try:
        return Mark(tag.strip(), float(limit))
    except KeyError:
        raise argparse.ArgumentTypeError(f"no transmitter is called {tag!r}") from None


if __name__ == "__main__":
    sys.exit(main())
