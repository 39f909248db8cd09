"""`wheeltapper alarms list|ack`: what needs somebody, and who has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="alarms that are not normal (exit 1 if any)")
    listing.add_argument("--all", action="store_true", help="normal ones too")
    add_json(listing)
    acknowledge = acts.add_parser("ack", help="acknowledge one alarm")
    acknowledge.add_argument("id", metavar="TAG:RULE")
    for each in (listing, acknowledge):
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """List or acknowledge."""
    socket = args.run_dir / "hub.sock"
    if args.act == "ack":
        ask(socket, "alarms.ack", id=args.id)
        say(f"acknowledged {args.id}")
        return EXIT_WELL
    alarms: list[dict[str, Any]] = ask(socket, "alarms.list")
    standing = [each for each in alarms if each["state"] != "normal"]
    shown = alarms if args.all else standing
    if args.json:
        say_json(shown)
    else:
        rows = ((a["priority"], a["state"], a["id"], a["action"]) for a in shown)
        head = ("PRIORITY", "STATE", "ALARM", "WHAT TO DO")
        say(table(head, rows) if shown else "no alarm stands")
    return EXIT_FINDING if standing else EXIT_WELL
