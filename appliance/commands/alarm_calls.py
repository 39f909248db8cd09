"""`wheeltapper alarms call --test TARGET` and `alarms calls`: do people get called?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL

if TYPE_CHECKING:
    import argparse

_LIMIT = 50


def configure(acts: Any) -> None:  # noqa: ANN401 - argparse has no public type of it
    """Declare `call` and `calls`."""
    call = acts.add_parser("call", help="try whether a call arrives (exit 1: no)")
    call.add_argument(
        "--test", metavar="TARGET", required=True, dest="target",
        help="a name of [callout]; nothing is asked of who gets it",
    )  # fmt: skip
    add_json(call)
    add_places(call)
    calls = acts.add_parser("calls", help="who was called, when, and what came of it")
    calls.add_argument(
        "--limit", type=int, default=_LIMIT, metavar="N",
        help="the newest N, up to 500 (default %(default)s)",
    )  # fmt: skip
    add_json(calls)
    add_places(calls)


def run_call(args: argparse.Namespace) -> int:
    """Send a test to one target; print what the server said."""
    answer = ask(args.run_dir / "hub.sock", "calls.test", target=args.target)
    if args.json:
        say_json(answer)
    else:
        how = "was called" if answer["sent"] else "could not be called"
        say(f"{args.target} {how}: {answer['said']}")
    return EXIT_WELL if answer["sent"] else EXIT_FINDING


def run_calls(args: argparse.Namespace) -> int:
    """List the calls, the newest first."""
    socket = args.run_dir / "hub.sock"
    found = ask(socket, "events.recent", kinds=["call"], limit=args.limit)["events"]
    if args.json:
        say_json([_row(each) for each in found])
        return EXIT_WELL
    if not found:
        say("nobody was called")
        return EXIT_WELL
    head = ("WHEN (UTC)", "WHO", "RESULT", "PRIORITY", "WHAT")
    keys = ("time", "target", "result", "priority", "message")
    rows = map(_row, found)
    say(table(head, ([row[key] for key in keys] for row in rows)))
    return EXIT_WELL


def _row(event: dict[str, Any]) -> dict[str, Any]:
    when = datetime.fromtimestamp(event["time_ns"] * 1e-9, UTC)
    details = event["details"]
    return {
        "time": f"{when:%Y-%m-%d %H:%M:%S}",
        "time_ns": event["time_ns"],
        "target": details.get("target", ""),
        "result": event["name"],
        "priority": event["priority"],
        "alarms": details.get("alarms", 0),
        "said": details.get("said", ""),
        "message": event["message"],
    }
