"""The command line: parsing and dispatch; a command's module is imported when used."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from appliance.commands.exits import EXIT_INTERRUPTED, EXIT_WELL, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommandModule(Protocol):
    """What a module in `appliance.commands` offers."""

    def configure(self, parser: argparse.ArgumentParser, name: str) -> None:
        """Declare the command's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit code."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A word of the command line and where it is carried out."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "demo": Command("demo", "the whole product on the simulated plant"),
    "safety": Command("process", "run the safety process in the foreground"),
    "hub": Command("process", "run the hub in the foreground"),
    "inference": Command("process", "run the inference process in the foreground"),
    "sync": Command("process", "run the sync process in the foreground"),
    "up": Command("up", "all four processes under one parent"),
    "install": Command("install", "lay a gateway out below a root, or check it"),
    "dashboard": Command("dashboard", "the window for people, in this terminal"),
    "check": Command("check", "validate a configuration without starting anything"),
    "show-config": Command("check", "print the effective configuration"),
    "discover": Command("discover", "look what a plant offers, and write it down"),
    "read": Command("read", "read tags once, raw and scaled; needs no running hub"),
    "write": Command("write", "write one point of the allow-list, and read it back"),
    "alarms": Command("alarms", "list and acknowledge alarms"),
    "asset": Command("asset", "maintenance done on an asset: its life begins again"),
    "trips": Command("trips", "show, stop, reset and bypass the safety logic"),
    "trend": Command("trend", "print the stored history of a tag"),
    "buffer": Command("buffer", "status and verification of the buffer"),
    "uplink": Command("uplink", "what leaves this site, when, and what it costs"),
    "backtest": Command("backtest", "the same detection on a historian's export"),
    "learn": Command("learn", "train and activate a model from the healthy past"),
    "models": Command("models", "list, verify, activate and roll back models"),
    "updates": Command("updates", "fetch released models: verified, then in force"),
    "pki": Command("pki", "certificates: whom we trust, who we are"),
    "doctor": Command("doctor", "what runs, what is wrong, what to do"),
    "fleet": Command("fleet", "the cloud half: ingest, report, train and release"),
}

_ABOUT = """\
Wheeltapper reads a plant's sensors, hears a machine's fault before it fails, and can
ask the PLC for a stop. It works without a network.

Its stop is an equipment-protection stop *request* in the control layer: not a safety
instrumented system, no SIL, not an emergency stop.

Begin with:
  wheeltapper demo bearing-wear      the whole product on a simulated plant
  wheeltapper check CONFIG           is my configuration right?
  wheeltapper up -c CONFIG           run it
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0, 1, 2, 69 or 78)."""
    given = list(sys.argv[1:] if argv is None else argv)
    word = next((each for each in given if not each.startswith("-")), None)
    parser = _parser(word if word in COMMANDS else None)
    if not given:
        parser.print_help()
        return EXIT_WELL
    args = parser.parse_args(given)
    module = _module(args.command)
    try:
        return module.run(args)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_WELL


def _parser(word: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the command that is used declares its arguments."""
    parser = argparse.ArgumentParser(
        prog="wheeltapper",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        if name == word:
            _module(name).configure(sub, name)
    return parser


def _module(name: str) -> CommandModule:
    path = f"appliance.commands.{COMMANDS[name].module}"
    return cast("CommandModule", import_module(path))
