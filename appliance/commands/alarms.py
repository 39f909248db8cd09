"""`wheeltapper alarms …`: what needs somebody, and who has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_USAGE,
    EXIT_WELL,
    CommandError,
)
from appliance.runtime.durations import DurationError, seconds

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


_ACTS = {
    "ack": ("acknowledge one alarm", "acknowledged"),
    "reset": ("clear a latched alarm", "reset"),
    "shelve": ("put an alarm aside for a while, at most 8 h", "shelved"),
    "unshelve": ("take it off the shelf", "taken off the shelf"),
    "take_out": ("put it out of service", "out of service"),
    "put_back": ("put it back into service", "back in service"),
}
"""Act → what it is for, and what is said when it is done."""


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="alarms that are not normal (exit 1 if any)")
    listing.add_argument("--all", action="store_true", help="normal ones too")
    add_json(listing)
    for act, (explained, _) in _ACTS.items():
        parser_of_act = acts.add_parser(act, help=explained)
        parser_of_act.add_argument("id", metavar="TAG:RULE")
        if act == "shelve":
            parser_of_act.add_argument("--for", dest="length", default="1h")
            parser_of_act.add_argument("--one-shot", action="store_true")
        parser_of_act.add_argument("--reason", default="")
        add_places(parser_of_act)
    add_places(listing)


def run(args: argparse.Namespace) -> int:
    """List or acknowledge."""
    socket = args.run_dir / "hub.sock"
    if args.act in _ACTS:
        return _act(socket, args)
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


def _act(socket: Path, args: argparse.Namespace) -> int:
    words: dict[str, Any] = {"id": args.id, "reason": args.reason}
    if args.act == "shelve":
        try:
            words["length_s"] = seconds(args.length)
        except DurationError as error:
            raise CommandError(str(error), EXIT_USAGE) from error
        words["one_shot"] = args.one_shot
    ask(socket, f"alarms.{args.act}", **words)
    say(f"{args.id}: {_ACTS[args.act][1]}")
    return EXIT_WELL
