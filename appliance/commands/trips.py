"""`wheeltapper trips …`: the safety logic, from a shell: running, or on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_USAGE, EXIT_WELL, CommandError
from appliance.commands.proofs import (
    configure_prove,
    configure_simulate,
    run_prove,
    run_simulate,
)
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
    begin, end = _configure_maintenance(acts)
    for each in (listing, stop, reset, bypass, mode, begin, end):
        add_places(each)
    configure_prove(
        acts.add_parser("prove", help="prove the matrix (exit 1 unless proven)")
    )
    configure_simulate(
        acts.add_parser("simulate", help="play what-if on the matrix; no field")
    )


def _configure_maintenance(
    acts: argparse._SubParsersAction[argparse.ArgumentParser],
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    words = "by the PLC's consent, let the gateway restart without a stop"
    parser = acts.add_parser("maintenance", help=words)
    turns = parser.add_subparsers(dest="turn", required=True, metavar="TURN")
    begin = turns.add_parser("begin", help="hand the machine over to the PLC")
    begin.add_argument("--reason", required=True)
    begin.add_argument("--for", dest="length", metavar="TIME")
    return begin, turns.add_parser("end", help="take it back without a restart")


def run(args: argparse.Namespace) -> int:
    """Ask the safety process; `prove` and `simulate` need none."""
    match args.act:
        case "prove":
            return run_prove(args)
        case "simulate":
            return run_simulate(args)
        case _:
            return _ask(args)


def _ask(args: argparse.Namespace) -> int:
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
        case "maintenance":
            _maintain(args)
        case _:
            answer = ask(socket, "mode", mode=args.mode)
            say(answer.get("claim", f"mode is {args.mode}"))
    return EXIT_WELL


def _maintain(args: argparse.Namespace) -> None:
    socket = args.run_dir / "safety.sock"
    if args.turn == "end":
        ask(socket, "maintenance.end")
        say("the machine is watched by its heartbeat again")
        return
    wanted = {"reason": args.reason}
    if args.length is not None:
        wanted["length_s"] = _seconds(args.length)
    answer = ask(socket, "maintenance.begin", **wanted)
    if not answer["committed"]:
        trouble = answer.get("trouble") or "the journal is late"
        raise CommandError(
            f"the PLC consents, but this is not on disk ({trouble}):"
            " a restart now stops the machine",
            EXIT_FINDING,
        )
    say(f"the PLC keeps the machine running for {answer['length_s']:g} s without us")
    say("restart or upgrade now; safety takes over again by itself")


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
            (
                row["id"],
                row["vote"],
                row["acting_vote"],
                row["state"],
                ", ".join(row["elements"]),
            )
            for row in status["initiators"]
        )
        say(table(("INITIATOR", "VOTE", "NOW", "STATE", "STOPS"), rows))
    return EXIT_FINDING if status["tripped"] else EXIT_WELL
