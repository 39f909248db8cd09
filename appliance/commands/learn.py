"""`wheeltapper learn ASSET`: train on the buffer's healthy past, verify, activate.

Training runs in a short-lived, niced child process: scikit-learn is never in a process
that stays.
"""

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
from appliance.commands.exits import EXIT_USAGE, EXIT_WELL, CommandError
from appliance.commands.models import announce, ask_leave, record, shelf_of
from appliance.commands.training import train_bundle, training_settings
from appliance.domain.event import EventKind
from appliance.domain.maintenance import maintenance_of_event
from appliance.inference.asset import asset_model
from appliance.inference.replay import Past, healthy_table
from appliance.runtime.clock import SystemClock
from appliance.runtime.durations import DurationError, seconds
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader
from appliance.updates.install import InstallError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from appliance.config import AssetSettings, Config
    from appliance.domain.batch import Waveform
    from models.features import AssetModel

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
    add_json(parser)
    add_config(parser)
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Build the table, train, activate."""
    if find_spec("sklearn") is None:
        raise CommandError("install the extra: wheeltapper[train]")
    config = configuration(args.config)
    if not args.no_activate:
        ask_leave(args.run_dir)
    asset = _asset(config, args.asset)
    model = asset_model(config, asset)
    now_ns = SystemClock().utc_ns()
    buffer = args.state_dir / "buffer.db"
    until_ns = now_ns if args.until is None else when_ns(args.until, now_ns)
    try:
        if args.since is None:
            since_ns = _maintained_ns(buffer, asset.id)
        else:
            since_ns = when_ns(args.since, now_ns)
        past = _past(buffer, model, (since_ns, until_ns))
    except StoreOpenError as error:
        raise CommandError(str(error)) from error
    table = healthy_table(past, model)
    result = train_bundle(
        table, training_settings(config, asset, model), args.state_dir / "models"
    )
    said = f"learned {asset.id} {result['version']} from {result['rows']} windows"
    if not args.no_activate:
        said += "\n" + _activate(args, asset.id, result["version"])
    if args.json:
        say_json(result)
    else:
        say(said)
    return EXIT_WELL


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


def _maintained_ns(path: Path, asset: str) -> int:
    """Return when an asset became as it is now; 0 where no maintenance is on record."""
    with open_reader(path) as reader:
        event = reader.last_words(EventKind.MAINTENANCE).get(asset)
    done = None if event is None else maintenance_of_event(event)
    return 0 if done is None else done.at_ns


def _past(path: Path, model: AssetModel, span_ns: tuple[int, int]) -> Past:
    wanted = dict.fromkeys(tag.id for tag in model.tags)
    if model.speed_tag is not None:
        wanted[model.speed_tag] = None
    if model.running is not None:
        wanted[model.running.tag] = None
    wanted |= dict.fromkeys(model.mode_tags)
    since_ns, until_ns = span_ns
    rows = {}
    waveforms: tuple[Waveform, ...] = ()
    with open_reader(path) as reader:
        for tag in wanted:
            found = reader.columns(tag, from_ns=since_ns, to_ns=until_ns)
            rows[tag] = (found.source_time_ns, found.value, found.quality)
        if model.waveform_tag is not None:
            waveforms = tuple(
                reader.waveforms(model.waveform_tag, from_ns=since_ns, to_ns=until_ns)
            )
    firsts = [int(time_ns[0]) for time_ns, _, _ in rows.values() if len(time_ns)]
    return Past(min(firsts, default=until_ns), until_ns, rows, waveforms)
