"""`wheeltapper learn ASSET`: train on the buffer's healthy past, verify, activate."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from appliance.commands.common import (
    add_config,
    add_json,
    add_places,
    configuration,
    say,
    say_json,
)
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_USAGE,
    EXIT_WELL,
    CommandError,
)
from appliance.commands.lesson import Lesson
from appliance.commands.models import announce, ask_leave, record, shelf_of
from appliance.runtime.clock import SystemClock
from appliance.runtime.durations import DurationError, seconds
from appliance.updates.install import InstallError

if TYPE_CHECKING:
    import argparse

    from appliance.config import AssetSettings, Config

_NS = 1_000_000_000


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    parser.add_argument("asset", metavar="ASSET")
    parser.add_argument(
        "--from", dest="since", metavar="TIME",
        help="ISO time, or how long ago (30d); default: since the last maintenance",
    )  # fmt: skip
    parser.add_argument("--to", dest="until", metavar="TIME", help="default: now")
    parser.add_argument(
        "--no-activate", action="store_true", help="leave it as a candidate"
    )
    parser.add_argument(
        "--force", action="store_true",
        help="activate it even if it is worse than the active one",
    )  # fmt: skip
    add_json(parser)
    add_config(parser)
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Build the table, train, compare, activate."""
    if find_spec("sklearn") is None:
        raise CommandError("install the extra: wheeltapper[train]")
    config = configuration(args.config)
    asset = _asset(config, args.asset)
    if not args.no_activate:
        ask_leave(args.run_dir)
    now_ns = SystemClock().utc_ns()
    lesson = Lesson.of(
        config,
        asset,
        args.state_dir,
        now_ns=now_ns,
        since_ns=None if args.since is None else when_ns(args.since, now_ns),
        until_ns=None if args.until is None else when_ns(args.until, now_ns),
    )
    learned = lesson.learn()
    learned.result["active"] = False
    objections = learned.objections
    if not args.no_activate and (args.force or not objections):
        learned.say(_activate(args, asset.id, learned.version))
        learned.result["active"] = True
    elif objections:
        learned.say(f"{asset.id} {learned.version} stays a candidate:")
        for each in objections:
            learned.say(f"  {each}")
        learned.say("  --force, or `wheeltapper models activate`, if you know better")
    if args.json:
        say_json(learned.result)
    else:
        say("\n".join(learned.said))
    refused = bool(objections) and not (args.force or args.no_activate)
    return EXIT_FINDING if refused else EXIT_WELL


def _activate(args: argparse.Namespace, asset: str, version: str) -> str:
    """Bring it into force, on record; return a sentence."""
    shelf = shelf_of(args.state_dir)
    active = shelf.active_folder(asset)
    try:
        shelf.activate(asset, version)
    except InstallError as error:
        raise CommandError(str(error)) from error
    before = "" if active is None else active.name
    record(args.state_dir, "learn", asset, version, before=before)
    return announce(args.run_dir, asset, version)


def when_ns(text: str, now_ns: int) -> int:
    """Return the UTC ns of an ISO time, or of so long ago.

    Raises:
        CommandError: Neither.
    """
    try:
        return now_ns - round(seconds(text) * _NS)
    except DurationError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        problem = f"{text!r} is neither an ISO time nor a duration such as 30d"
        raise CommandError(problem, EXIT_USAGE) from error
    return round(moment.astimezone(UTC).timestamp() * _NS)


def _asset(config: Config, name: str) -> AssetSettings:
    for asset in config.assets:
        if asset.id == name:
            return asset
    known = ", ".join(asset.id for asset in config.assets) or "none"
    raise CommandError(f"no asset {name!r} is configured; known: {known}", EXIT_USAGE)
