"""`wheeltapper models list|verify|activate|rollback`: versions of what is learned.

Who changes what is in force asks the hub first, where one runs: its roles decide. The
act is written down beside the models, and is an event of the hub.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from appliance.commands.common import (
    add_json,
    add_places,
    ask,
    say,
    say_json,
    table,
)
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_UNREACHABLE,
    EXIT_WELL,
    CommandError,
)
from appliance.link.roles import user_name
from appliance.runtime.clock import SystemClock
from appliance.updates import journal
from appliance.updates.install import InstallError, ModelShelf
from models.bundle import BundleError, read_bundle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="all versions and their state")
    add_json(listing)
    log = acts.add_parser("log", help="who brought which version into force")
    add_json(log)
    verify = acts.add_parser("verify", help="check a bundle: digests, golden vectors")
    verify.add_argument("folder", type=Path)
    add_json(verify)
    take_in = acts.add_parser("import", help="copy a bundle onto the shelf")
    take_in.add_argument("folder", type=Path)
    activate = acts.add_parser("activate", help="bring a version into force")
    activate.add_argument("asset")
    activate.add_argument("version")
    roll_back = acts.add_parser("rollback", help="go back to the previous version")
    roll_back.add_argument("asset")
    for each in (listing, log, take_in, activate, roll_back):
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """Work on the shelf below the state directory."""
    if args.act == "verify":
        return _verify(args.folder, as_json=args.json)
    if args.act == "log":
        return _log(args.state_dir / "models", as_json=args.json)
    shelf = shelf_of(args.state_dir)
    try:
        match args.act:
            case "list":
                told = at_work(args.run_dir)
                return _list(shelf, told, as_json=args.json)
            case "import":
                manifest = read_bundle(args.folder).manifest
                shelf.take_in(args.folder, manifest.asset, manifest.version)
                say(f"{manifest.asset} {manifest.version} is a candidate")
            case _:
                _bring_into_force(args, shelf)
    except (InstallError, BundleError) as error:
        raise CommandError(str(error)) from error
    return EXIT_WELL


def shelf_of(state_dir: Path) -> ModelShelf:
    """Return the gateway's models; a bundle is verified by reading it whole."""
    return ModelShelf(state_dir / "models", read_bundle)


def ask_leave(run_dir: Path) -> None:
    """Ask the hub whether we may; without a hub the files' permissions decide.

    Raises:
        CommandError: Our role is too low.
    """
    try:
        ask(run_dir / "hub.sock", "model.may_activate")
    except CommandError as error:
        if error.exit_code != EXIT_UNREACHABLE:
            raise


def record(state_dir: Path, act: str, asset: str, version: str, *, before: str) -> None:
    """Write down beside the models who did what."""
    journal.append(
        state_dir / "models",
        journal.Act(
            utc_ns=SystemClock().utc_ns(),
            act=act,
            asset=asset,
            version=version,
            before=before or None,
            actor=user_name(os.getuid()),
        ),
    )


def announce(run_dir: Path, asset: str, version: str) -> str:
    """Tell the hub, and so inference; return what came of it as a sentence.

    Without a hub it counts from the next start.

    Raises:
        CommandError: The hub refuses.
    """
    try:
        ask(run_dir / "hub.sock", "model.activate", asset=asset, version=version)
    except CommandError as error:
        if error.exit_code != EXIT_UNREACHABLE:
            raise
        return (
            f"{asset} {version} is active from the next start (the hub is not running)"
        )
    return f"{asset} {version} is active"


def _bring_into_force(args: argparse.Namespace, shelf: ModelShelf) -> None:
    ask_leave(args.run_dir)
    asset = args.asset
    active = shelf.active_folder(asset)
    if args.act == "activate":
        version = args.version
        shelf.activate(asset, version)
    else:
        version = shelf.roll_back(asset)
    before = "" if active is None else active.name
    record(args.state_dir, args.act, asset, version, before=before)
    say(announce(args.run_dir, asset, version))


def _log(root: Path, *, as_json: bool) -> int:
    acts = journal.read(root)
    if as_json:
        say_json([to_builtins(act) for act in acts])
        return EXIT_WELL
    rows = (
        (_time(act.utc_ns), act.actor, act.act, act.asset, act.version) for act in acts
    )
    say(table(("TIME", "WHO", "ACT", "ASSET", "VERSION"), rows))
    return EXIT_WELL


def at_work(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Return what inference says of each asset's model; nothing where it is away."""
    try:
        status = ask(run_dir / "hub.sock", "status")
    except CommandError:
        return {}
    return told_of_models(status["processes"].get("inference", {}))


def told_of_models(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return version, telemetry and drift of each asset's model."""
    drift, telemetry = status.get("drift", {}), status.get("telemetry", {})
    return {
        asset: {
            "version": version,
            **telemetry.get(asset, {}),
            "drift": drift.get(asset, ""),
        }
        for asset, version in status.get("models", {}).items()
    }


def _list(shelf: ModelShelf, told: dict[str, dict[str, Any]], *, as_json: bool) -> int:
    found = []
    for each in shelf.installed():
        works = told.get(each.asset, {})
        found.append((each, works if works.get("version") == each.version else {}))
    if as_json:
        say_json(
            [
                {"asset": m.asset, "version": m.version, "state": m.state}
                | ({"telemetry": works} if works else {})
                for m, works in found
            ]
        )
    elif found:
        rows = (
            (m.asset, m.version, m.state, *(_cell(works, key) for key in _FIGURES))
            for m, works in found
        )
        say(table(("ASSET", "VERSION", "STATE", *_FIGURES.values()), rows))
    else:
        say("no model yet; learn one: wheeltapper learn ASSET -c CONFIG")
    return EXIT_WELL


_FIGURES = {
    "took_ms_p99": "P99 MS",
    "score_p50": "SCORE",
    "score_p99": "P99",
    "confidence": "CONFIDENCE",
    "unknown_mode_share": "UNKNOWN",
    "drift": "DRIFT",
}
"""What a model at work says of itself, with its column."""


def _cell(told: dict[str, Any], key: str) -> str:
    value = told.get(key, "")
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _time(utc_ns: int) -> str:
    moment = datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _verify(folder: Path, *, as_json: bool) -> int:
    """Read a bundle, and run its golden vectors through its graph."""
    found: dict[str, Any] = {"ok": True}
    try:
        manifest = read_bundle(folder).manifest
        # By name: the other acts need no onnxruntime.
        import_module("appliance.inference.detector").BundleDetector.load(folder)
    except BundleError as error:
        found = {"ok": False, "said": f"refused: {error}"}
    else:
        found |= {
            "asset": manifest.asset,
            "version": manifest.version,
            "features": manifest.features,
            "window_s": manifest.window_s,
            "said": f"well: {manifest.asset} {manifest.version}, {manifest.rows} rows,"
            " answers its golden vectors",
        }
    if as_json:
        say_json(found)
    else:
        say(found["said"])
    return EXIT_WELL if found["ok"] else EXIT_FINDING
