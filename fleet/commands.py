"""`python -m fleet train|release` and `report --trend`: the way back.

Declares the arguments; what does the work is imported when it is used, so that an
ingest that stays carries none of it.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.runtime.clock import SystemClock
from fleet.analysis import lines_of, trends_of
from fleet.lake import open_lake
from fleet.models import lines_of_models, models_of
from fleet.parts import LakeError

if TYPE_CHECKING:
    from fleet.lake import Lake

ROLES = ("root", "targets", "snapshot", "timestamp")


class RefusedError(Exception):
    """The command ends here; the message says why."""


def add_trend(report: argparse.ArgumentParser) -> None:
    """Declare what `report` needs for trends."""
    report.add_argument("--trend", action="store_true", help="how each asset does")
    report.add_argument("--models", action="store_true", help="how each model does")
    report.add_argument("--asset", metavar="ASSET", help="of one asset only")


def add_way_back(commands: Any) -> None:  # noqa: ANN401 - argparse hides its type
    """Declare `train` and `release`."""
    train = commands.add_parser("train", help="a bundle from the lake's data")
    train.add_argument("--lake", required=True, type=Path, metavar="DIR")
    train.add_argument("--asset", required=True, metavar="ASSET")
    train.add_argument("--out", required=True, type=Path, metavar="DIR")
    train.add_argument("--site", metavar="SITE", help="where several have the asset")
    train.add_argument("--gateway", metavar="GATEWAY")
    train.add_argument("--from", dest="since", metavar="TIME", help="ISO time")
    train.add_argument("--to", dest="until", metavar="TIME", help="ISO time")
    train.add_argument(
        "--running", type=_running, metavar="TAG:ABOVE",
        help="learn only where this tag was above this value throughout",
    )  # fmt: skip
    train.add_argument("--ignore", nargs="*", default=[], metavar="TAG")
    train.add_argument("--kind", default="machine", help="for the model card")
    train.add_argument("--json", action="store_true")
    release = commands.add_parser("release", help="a signed tree of bundles")
    _add_release(release.add_subparsers(dest="act", required=True, metavar="ACT"))


def _add_release(acts: Any) -> None:  # noqa: ANN401 - argparse hides its type
    init = acts.add_parser("init", help="make keys and an empty tree")
    add = acts.add_parser("add", help="release a bundle to sites")
    add.add_argument("bundle", type=Path, metavar="BUNDLE")
    add.add_argument(
        "--sites", nargs="+", default=["*"], metavar="PATTERN",
        help="site, or site/gateway, as in a shell (default: all)",
    )  # fmt: skip
    add.add_argument("--counter", type=int, help="default: one above the highest")
    refresh = acts.add_parser("refresh", help="vouch for the tree for another while")
    rotate = acts.add_parser("rotate", help="give a role a new key")
    rotate.add_argument("role", choices=ROLES)
    listing = acts.add_parser("list", help="what the tree holds")
    for each in (init, add, refresh, rotate, listing):
        each.add_argument("--tree", required=True, type=Path, metavar="DIR")
        each.add_argument("--json", action="store_true")
    for each in (init, add, refresh, rotate):
        each.add_argument("--keys", required=True, type=Path, metavar="DIR")
        for role in ROLES:
            each.add_argument(f"--{role}-days", type=_days, metavar="DAYS")


def tell_trends(lake: Lake, args: argparse.Namespace) -> None:
    """Print the trends.

    Raises:
        LakeError: The lake cannot be read.
    """
    try:
        trends = trends_of(lake, args.asset)
    except LakeError:  # an ingest beside us has just put parts together
        lake.refresh()
        trends = trends_of(lake, args.asset)
    if args.json:
        _say(msgspec.json.format(msgspec.json.encode(trends)).decode())
    else:
        _say("\n".join(lines_of(trends)))


def tell_models(lake: Lake, args: argparse.Namespace) -> None:
    """Print how each model does.

    Raises:
        LakeError: The lake cannot be read.
    """
    try:
        models = models_of(lake, args.asset)
    except LakeError:  # as above
        lake.refresh()
        models = models_of(lake, args.asset)
    if args.json:
        _say(msgspec.json.format(msgspec.json.encode(models)).decode())
    else:
        _say("\n".join(lines_of_models(models)))


def run_train(args: argparse.Namespace) -> None:
    """Learn a bundle from the lake.

    Raises:
        RefusedError: It could not.
        LakeError: The lake cannot be read.
    """
    work = import_module("fleet.train")
    try:
        wish = work.Wish(
            asset=args.asset,
            site=args.site,
            gateway=args.gateway,
            running=args.running,
            ignored=args.ignore,
            kind=args.kind,
            **({"from_ns": work.time_ns_of(args.since)} if args.since else {}),
            **({"to_ns": work.time_ns_of(args.until)} if args.until else {}),
        )
        with open_lake(args.lake) as lake:
            result = work.train(lake, wish, args.out)
    except (work.TrainError, ValueError) as error:
        raise RefusedError(str(error)) from error
    if args.json:
        _say(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        _say(
            f"learned {result['asset']} {result['version']} from {result['periods']}"
            f" periods of {result['period_s']:g} s at"
            f" {result['site']}/{result['gateway']}\n{result['path']}"
        )


def run_release(args: argparse.Namespace) -> None:
    """Work on a release tree.

    Raises:
        RefusedError: It could not; nothing was published.
    """
    work, signing = import_module("fleet.release"), import_module("fleet.signing")
    bundles = import_module("models.bundle")
    given = {
        role: getattr(args, f"{role}_days", None)
        for role in ROLES
        if getattr(args, f"{role}_days", None) is not None
    }
    tree = work.ReleaseTree(
        args.tree,
        signing.Keys(getattr(args, "keys", args.tree)),
        clock=SystemClock(),
        expiry=work.Expiry(**given),
    )
    try:
        result, said = _release(tree, args)
    except (work.ReleaseError, signing.SigningError, bundles.BundleError) as error:
        raise RefusedError(str(error)) from error
    _say(msgspec.json.encode(result).decode() if args.json else said)


def _release(tree: Any, args: argparse.Namespace) -> tuple[object, str]:  # noqa: ANN401 - imported by name
    match args.act:
        case "init":
            root = tree.create()
            said = f"bring this file to the gateways by hand: {root}"
            return {"root": str(root)}, said
        case "add":
            made = tree.add(args.bundle, args.sites, counter=args.counter)
            said = (
                f"released {made.asset} {made.version} as {made.release_counter}"
                f" to {', '.join(made.sites)}"
            )
            return made, said
        case "list":
            found = tree.releases()
            lines = (
                f"{r.release_counter:>6}  {r.asset}  {r.version}  {', '.join(r.sites)}"
                for r in found
            )
            return found, "\n".join(lines) or "nothing is released yet"
        case "rotate":
            tree.rotate(args.role)
            return {"rotated": args.role}, f"{args.role} has a new key"
        case _:
            tree.refresh()
            return {"refreshed": True}, "vouched for anew"


def _running(text: str) -> tuple[str, float]:
    tag, _, above = text.rpartition(":")
    try:
        return tag, float(above)
    except ValueError as error:
        problem = f"{text!r} is not TAG:ABOVE, such as P-101/speed:1000"
        raise argparse.ArgumentTypeError(problem) from error


def _days(text: str) -> float:
    days = float(text)
    if not days > 0.0:
        raise argparse.ArgumentTypeError("more than 0 days")
    return days


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
