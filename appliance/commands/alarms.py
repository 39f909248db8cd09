"""`wheeltapper alarms …`: what needs somebody, who has seen it, and who judged it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.commands import alarm_calls, alarm_journal
from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_USAGE,
    EXIT_WELL,
    CommandError,
)
from appliance.domain.verdict import VERDICTS
from appliance.runtime.durations import DurationError, seconds

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Act:
    """An operation of the hub, what it is for, and what is said when it is done."""

    op: str
    explained: str
    done: str


_ACTS = {
    "ack": _Act("acknowledge", "acknowledge one alarm", "acknowledged"),
    "reset": _Act("reset", "clear a latched alarm", "reset"),
    "shelve": _Act("shelve", "put an alarm aside for a while", "shelved"),
    "unshelve": _Act("unshelve", "take it off the shelf", "taken off the shelf"),
    "out-of-service": _Act(
        "out_of_service", "put it out of service; needs a reason", "out of service"
    ),
    "in-service": _Act("in_service", "put it back into service", "back in service"),
}
_ELSEWHERE = {
    "call": alarm_calls.run_call,
    "calls": alarm_calls.run_calls,
    "kpi": alarm_journal.run_kpi,
    "journal": alarm_journal.run_journal,
}
_MASKED = ("shelved", "suppressed", "out_of_service")


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="alarms that are not normal (exit 1 if any)")
    listing.add_argument("--all", action="store_true", help="normal ones too")
    masked = acts.add_parser(
        "suppressed", help="what is kept silent: shelved, by design, out of service"
    )
    for each in (listing, masked):
        add_json(each)
        add_places(each)
    for act, words in _ACTS.items():
        parser_of_act = acts.add_parser(act, help=words.explained)
        parser_of_act.add_argument("id", metavar="TAG:RULE")
        if act == "shelve":
            parser_of_act.add_argument("--for", dest="length", default="1h")
            parser_of_act.add_argument("--one-shot", action="store_true")
        parser_of_act.add_argument(
            "--reason", default="", required=act == "out-of-service"
        )
        add_places(parser_of_act)
    verdict = acts.add_parser("verdict", help="say whether an alarm was right")
    verdict.add_argument("id", metavar="TAG:RULE|ASSET")
    verdict.add_argument("verdict", choices=VERDICTS)
    verdict.add_argument("--note", default="")
    add_places(verdict)
    alarm_calls.configure(acts)
    alarm_journal.configure(acts)


def run(args: argparse.Namespace) -> int:
    """List or act."""
    if elsewhere := _ELSEWHERE.get(args.act):
        return elsewhere(args)
    socket = args.run_dir / "hub.sock"
    match args.act:
        case "verdict":
            words = {"verdict": args.verdict, "note": args.note}
            ask(socket, "alarms.verdict", alarm=args.id, **words)
            say(f"{args.id}: judged {args.verdict}")
            return EXIT_WELL
        case "list":
            return _list(socket, args)
        case "suppressed":
            return _list_masked(socket, args)
    return _act(socket, args)


def _list(socket: Path, args: argparse.Namespace) -> int:
    alarms: list[dict[str, Any]] = ask(socket, "alarms.list", standing=not args.all)
    standing = [each for each in alarms if each["state"] != "normal"]
    shown = alarms if args.all else standing
    if args.json:
        say_json(shown)
    else:
        rows = ((a["priority"], a["state"], a["id"], a["action"]) for a in shown)
        head = ("PRIORITY", "STATE", "ALARM", "WHAT TO DO")
        say(table(head, rows) if shown else "no alarm stands")
    return EXIT_FINDING if standing else EXIT_WELL


def _list_masked(socket: Path, args: argparse.Namespace) -> int:
    alarms: list[dict[str, Any]] = ask(socket, "alarms.list", standing=True)
    shown = [each for each in alarms if each["state"] in _MASKED]
    if args.json:
        say_json(shown)
    elif shown:
        rows = ((a["state"], a["priority"], a["id"], _why(a)) for a in shown)
        say(table(("STATE", "PRIORITY", "ALARM", "BY WHOM, AND WHY"), rows))
    else:
        say("no alarm is kept silent")
    return EXIT_WELL


def _why(alarm: dict[str, Any]) -> str:
    match alarm["state"]:
        case "shelved":
            said = (alarm["shelved_by"], alarm["shelve_reason"])
        case "suppressed":
            said = ("the design", alarm["suppressed_by"])
        case _:
            said = (alarm["out_of_service_by"], alarm["out_of_service_reason"])
    return ": ".join(each for each in said if each)


def _act(socket: Path, args: argparse.Namespace) -> int:
    words: dict[str, Any] = {"alarm": args.id, "reason": args.reason}
    if args.act == "shelve":
        try:
            words["for_s"] = seconds(args.length)
        except DurationError as error:
            raise CommandError(str(error), EXIT_USAGE) from error
        words["one_shot"] = args.one_shot
    ask(socket, f"alarms.{_ACTS[args.act].op}", **words)
    say(f"{args.id}: {_ACTS[args.act].done}")
    return EXIT_WELL
