"""`wheeltapper models list|verify|activate|rollback`: versions of what is learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
from appliance.updates.install import InstallError, ModelShelf
from models.bundle import BundleError, read_bundle

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="all versions and their state")
    add_json(listing)
    verify = acts.add_parser("verify", help="check one bundle's digests and shapes")
    verify.add_argument("folder", type=Path)
    take_in = acts.add_parser("import", help="copy a bundle onto the shelf")
    take_in.add_argument("folder", type=Path)
    activate = acts.add_parser("activate", help="bring a version into force")
    activate.add_argument("asset")
    activate.add_argument("version")
    roll_back = acts.add_parser("rollback", help="go back to the previous version")
    roll_back.add_argument("asset")
    for each in (listing, take_in, activate, roll_back):
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """Work on the shelf below the state directory."""
    if args.act == "verify":
        return _verify(args.folder)
    shelf = shelf_of(args.state_dir)
    try:
        match args.act:
            case "list":
                return _list(shelf, as_json=args.json)
            case "import":
                manifest = read_bundle(args.folder).manifest
                shelf.take_in(args.folder, manifest.asset, manifest.version)
                say(f"{manifest.asset} {manifest.version} is a candidate")
            case "activate":
                shelf.activate(args.asset, args.version)
                announce(args.run_dir, args.asset, args.version)
            case _:
                version = shelf.roll_back(args.asset)
                announce(args.run_dir, args.asset, version)
    except (InstallError, BundleError) as error:
        raise CommandError(str(error)) from error
    return EXIT_WELL


def shelf_of(state_dir: Path) -> ModelShelf:
    """Return the gateway's models; a bundle is verified by reading it whole."""
    return ModelShelf(state_dir / "models", read_bundle)


def announce(run_dir: Path, asset: str, version: str) -> None:
    """Tell the hub, and so inference; without a hub it counts from the next start."""
    try:
        ask(run_dir / "hub.sock", "model.activate", asset=asset, version=version)
    except CommandError as error:
        if error.exit_code != EXIT_UNREACHABLE:
            raise
        say(f"{asset} {version} is active from the next start (the hub is not running)")
        return
    say(f"{asset} {version} is active")


def _list(shelf: ModelShelf, *, as_json: bool) -> int:
    found = shelf.installed()
    if as_json:
        say_json(
            [{"asset": m.asset, "version": m.version, "state": m.state} for m in found]
        )
    elif found:
        rows = ((each.asset, each.version, each.state) for each in found)
        say(table(("ASSET", "VERSION", "STATE"), rows))
    else:
        say("no model yet; learn one: wheeltapper learn ASSET -c CONFIG")
    return EXIT_WELL


def _verify(folder: Path) -> int:
    try:
        manifest = read_bundle(folder).manifest
    except BundleError as error:
        say(f"refused: {error}")
        return EXIT_FINDING
    say(f"well: {manifest.asset} {manifest.version}, {manifest.rows} rows")
    return EXIT_WELL
