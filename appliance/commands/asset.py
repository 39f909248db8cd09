"""`wheeltapper asset …`: what was done on an asset, told to the hub."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_WELL
from appliance.commands.learn import when_ns
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

_NS = 1_000_000_000


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    done = acts.add_parser("maintained", help="maintenance is done: life begins again")
    done.add_argument("asset", metavar="ASSET")
    done.add_argument(
        "--what", required=True, metavar="TEXT", help='such as "bearing replaced"'
    )
    done.add_argument(
        "--at", metavar="TIME", help="ISO time, or how long ago (2h); default: now"
    )
    upkeep = acts.add_parser("upkeep", help="the last maintenance of each asset")
    for each in (done, upkeep):
        add_json(each)
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """Tell what was done, or what is on record."""
    socket: Path = args.run_dir / "hub.sock"
    if args.act == "upkeep":
        return _upkeep(socket, as_json=args.json)
    words: dict[str, Any] = {"asset": args.asset, "what": args.what}
    if args.at is not None:
        words["at_ns"] = when_ns(args.at, SystemClock().utc_ns())
    result = ask(socket, "asset.maintained", **words)
    if args.json:
        say_json(result)
    else:
        say(_sentence(args.asset, result))
    return EXIT_WELL


def _sentence(asset: str, result: Mapping[str, Any]) -> str:
    ended = ""
    if result["since_ns"] is not None:
        ended = f"\nthe anomaly since {_time(result['since_ns'])} is closed with it"
    return (
        f"{asset}: on record as event {result['seq']}; its life begins again{ended}\n"
        f"when it has run as it should for a while: wheeltapper learn {asset}"
    )


def _upkeep(socket: Path, *, as_json: bool) -> int:
    found: dict[str, dict[str, Any]] = ask(socket, "asset.upkeep")
    if as_json:
        say_json(found)
    elif found:
        rows = ((name, _time(e["at_ns"]), e["what"]) for name, e in found.items())
        say(table(("ASSET", "DONE", "WHAT"), rows))
    else:
        say("no maintenance is on record")
    return EXIT_WELL


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / _NS, UTC).isoformat(timespec="seconds")
