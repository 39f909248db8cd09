"""`trips prove` and `trips simulate`: a matrix on paper, without a field."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, configuration, say, say_json
from appliance.commands.exits import EXIT_FINDING, EXIT_USAGE, EXIT_WELL, CommandError
from appliance.runtime.files import write_whole
from appliance.safety.proof.clock import Happening
from appliance.safety.proof.lock import difference, lock_text
from appliance.safety.proof.prove import STATES_MAX, FunctionProof, prove
from appliance.safety.proof.script import ScriptError, parsed
from appliance.safety.proof.trace import TraceError, replayed
from appliance.safety.proof.whatif import WhatIf
from appliance.safety.turn import matrix_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from appliance.safety.proof.move import Move
    from appliance.safety.proof.trace import Replayed
    from appliance.safety.turn import Matrix


def configure_prove(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `prove`."""
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument(
        "--states", type=int, default=STATES_MAX, metavar="N",
        help=f"give up a walk beyond so many states (default {STATES_MAX})",
    )  # fmt: skip
    parser.add_argument(
        "--lock", type=Path, metavar="FILE",
        help="write the behaviour, or compare it if FILE is there (exit 1)",
    )  # fmt: skip
    parser.add_argument(
        "--accept", action="store_true", help="write FILE anew: the change is meant"
    )
    add_json(parser)


def configure_simulate(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `simulate`."""
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument(
        "script", nargs="?", default="-", metavar="SCRIPT",
        help="what happens, line by line; from standard input by default",
    )  # fmt: skip
    parser.add_argument(
        "--cold", action="store_true", help="begin at power-up, with nothing heard"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="replay a counterexample of prove"
    )
    add_json(parser)


def run_prove(args: argparse.Namespace) -> int:
    """Prove every function; exit 1 if one is broken, not proven, or has changed."""
    matrix = matrix_of(configuration(args.config))
    proofs = []
    for proof in prove(matrix, states_max=args.states):
        proofs.append(proof)
        if not args.json:
            _tell(proof, args.states)
    proven = all(each.is_proven for each in proofs)
    changed = _locked(args, proofs) if args.lock is not None and proven else ""
    if args.json:
        say_json({"proofs": [_row(each) for each in proofs], "difference": changed})
    else:
        _conclude(args, proofs, changed)
    return EXIT_WELL if proven and not changed else EXIT_FINDING


def run_simulate(args: argparse.Namespace) -> int:
    """Play a script, or replay a trace."""
    config = configuration(args.config)
    matrix = matrix_of(config)
    try:
        if args.trace is not None:
            return _replay(matrix, _lines(str(args.trace)), as_json=args.json)
        what_if = WhatIf(matrix, period_s=config.safety.scan_period_s, cold=args.cold)
        for change in what_if.play(list(parsed(_lines(args.script)))):
            say(json.dumps(change.plain()) if args.json else change.text())
    except (ScriptError, TraceError) as error:
        raise CommandError(str(error), EXIT_USAGE) from error
    return EXIT_WELL


def _lines(source: str) -> Iterable[str]:
    if source == "-":
        return sys.stdin
    try:
        return Path(source).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{source}: {error}", EXIT_USAGE) from error


def _tell(proof: FunctionProof, states_max: int) -> None:
    size = f"{proof.states} states, {proof.transitions} steps"
    if proof.is_proven:
        say(f"{proof.element}: proven ({size})")
    elif proof.broken:
        say(f"{proof.element}: BROKEN ({size})")
        for promise in proof.broken:
            say(f"  {promise}")
        say("  a counterexample, for `trips simulate CONFIG --trace FILE`:")
        say("\n".join(proof.counterexample))
    else:
        say(f"{proof.element}: NOT PROVEN: more than {states_max} states ({size})")


def _locked(args: argparse.Namespace, proofs: list[FunctionProof]) -> str:
    """Write the lock, or return how the behaviour differs from it."""
    found = lock_text(proofs)
    if args.accept or not args.lock.exists():
        write_whole(args.lock, found.encode(), mode=0o644)
        return ""
    return difference(args.lock.read_text(encoding="utf-8"), found, args.lock.name)


def _conclude(
    args: argparse.Namespace, proofs: list[FunctionProof], changed: str
) -> None:
    if not proofs:
        say("the matrix is empty: there is nothing to prove")
    if changed:
        say(changed)
        say(f"the behaviour has changed; if that is meant: --lock {args.lock} --accept")
    elif args.lock is not None and all(each.is_proven for each in proofs):
        say(f"the behaviour is that of {args.lock}")


def _row(proof: FunctionProof) -> dict[str, Any]:
    return {
        "element": proof.element,
        "rows": [row.row for row in proof.rows],
        "proven": proof.is_proven,
        "states": proof.states,
        "steps": proof.transitions,
        "broken": list(proof.broken),
        "trace": [json.loads(line) for line in proof.counterexample],
    }


def _replay(matrix: Matrix, lines: Iterable[str], *, as_json: bool) -> int:
    for step in replayed(matrix, lines):
        found = _replayed_row(step)
        if as_json:
            say(json.dumps(found))
            continue
        say(f"{found['given']}")
        for name, word in found["elements"].items():
            say(f"    {name}: {word}")
        for message in (*found["events"], *found["refusals"]):
            say(f"    - {message}")
    return EXIT_WELL


def _replayed_row(step: Replayed) -> dict[str, Any]:
    turn = step.turn
    orders = {} if turn is None else turn.orders
    return {
        "given": _given(step.step),
        "elements": {
            name: "may run" if order.may_run else "held" if order.hold else "STOP"
            for name, order in orders.items()
        },
        "events": [] if turn is None else [event.message for event in turn.events],
        "refusals": [] if turn is None else list(turn.refusals),
    }


def _given(step: Happening | Move) -> str:
    """Return one step of a trace for people."""
    if isinstance(step, Happening):
        return " ".join(word for word in (step.what, step.of, step.channel) if word)
    words = [f"{name}: {', '.join(each)}" for name, each in step.words.items()]
    words.append(f"feedback {step.runs}" + ("" if step.obeys else ", output refuses"))
    words += sorted(step.acts)
    words += [f"reset {name}" for name in sorted(step.resets)]
    return "scan with " + "; ".join(words)
