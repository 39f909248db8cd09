"""`wheeltapper trips list|stop|reset|bypass|mode`: the safety logic, from a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_USAGE, EXIT_WELL, CommandError
from appliance.runtime.durations import DurationError, seconds

if TYPE_CHECKING:
    import argparse

_LONGEST_BYPASS = "8h"


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser(
        "list", help="mode, matrix, first-out (exit 1 if tripped)"
    )
    add_json(listing)
    stop = acts.add_parser("stop", help="request a stop now; needs no role")
    stop.add_argument("reason", nargs="?", default="operator's stop")
    reset = acts.add_parser("reset", help="clear the latch; never restarts the machine")
    bypass = acts.add_parser(
        "bypass", help="put one initiator out of action for a while"
    )
    bypass.add_argument("initiator")
    bypass.add_argument("--reason", required=True)
    bypass.add_argument("--for", dest="length", default=_LONGEST_BYPASS, metavar="TIME")
    mode = acts.add_parser("mode", help="observe, or arm after reading the claim")
    mode.add_argument("mode", choices=("observe", "armed"))
    for each in (listing, stop, reset, bypass, mode):
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """Ask the safety process."""
    socket = args.run_dir / "safety.sock"
    match args.act:
        case "list":
            return _list(ask(socket, "status"), as_json=args.json)
        case "stop":
            ask(socket, "stop", reason=args.reason)
            say("stop requested")
        case "reset":
            ask(socket, "reset")
            say("reset; the machine must be started at its own panel")
        case "bypass":
            length_s = _seconds(args.length)
            ask(
                socket,
                "bypass",
                initiator=args.initiator,
                reason=args.reason,
                length_s=length_s,
            )
            say(f"{args.initiator} is bypassed for {length_s:g} s")
        case _:
            answer = ask(socket, "mode", mode=args.mode)
            say(answer.get("claim", f"mode is {args.mode}"))
    return EXIT_WELL


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except DurationError as error:
        raise CommandError(str(error), EXIT_USAGE) from error


def _list(status: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        say_json(status)
    else:
        say(f"mode {status['mode']}; {'TRIPPED' if status['tripped'] else 'may run'}")
        if status["tripped"]:
            say(f"first-out: {status['first_out']}")
        rows = (
            (row["id"], row["vote"], row["state"], ", ".join(row["elements"]))
            for row in status["initiators"]
        )
        say(table(("INITIATOR", "VOTE", "STATE", "STOPS"), rows))
    return EXIT_FINDING if status["tripped"] else EXIT_WELL
