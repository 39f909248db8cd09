"""`wheeltapper buffer status|verify|repair`: is what is stored whole?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL, CommandError
from appliance.runtime.clock import SystemClock
from appliance.storage.connection import StoreOpenError
from appliance.storage.repair import salvage, verify

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    status = acts.add_parser("status", help="counters of the running hub")
    check = acts.add_parser("verify", help="integrity, blocks, the conservation law")
    repair = acts.add_parser("repair", help="quarantine and salvage; the hub stopped")
    for each in (status, check, repair):
        add_json(each)
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    path = args.state_dir / "buffer.db"
    match args.act:
        case "status":
            return _status(ask(args.run_dir / "hub.sock", "status"), args)
        case "verify":
            try:
                problems = verify(path)
            except StoreOpenError as error:
                raise CommandError(str(error)) from error
            if args.json:
                say_json(list(problems))
            else:
                say("\n".join(problems) if problems else "well: whole and conserved")
            return EXIT_FINDING if problems else EXIT_WELL
        case _:
            try:
                done = salvage(path, now_ns=SystemClock().utc_ns())
            except StoreOpenError as error:
                raise CommandError(f"{error}; stop the hub first") from error
            if args.json:
                say_json(asdict(done))
            else:
                say(f"the damaged file is kept as {done.quarantined}")
                say(table(("TABLE", "ROWS SALVAGED"), done.copied.items()))
            return EXIT_FINDING if done.problems else EXIT_WELL


def _status(status: dict[str, Any], args: argparse.Namespace) -> int:
    if args.json:
        say_json({"counters": status["counters"], "storage": status["storage"]})
    else:
        say(table(("COUNTER", "VALUE"), sorted(status["counters"].items())))
        say("")
        say(table(("STORAGE", ""), sorted(status["storage"].items())))
    return EXIT_WELL
