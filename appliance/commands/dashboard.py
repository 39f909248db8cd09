"""`wheeltapper dashboard`: the window for people, in a terminal or in a browser."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.commands.common import add_places
from appliance.commands.exits import EXIT_USAGE, EXIT_WELL, CommandError
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    import argparse

    from appliance.dashboard.preferences import Preferences

NEEDS = "the dashboard needs the extra: pip install 'wheeltapper[dashboard]'"
PORT = 8707


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    add_places(parser)
    parser.add_argument(
        "--serve",
        action="store_true",
        help="read-only, for browsers on this machine",
    )
    parser.add_argument("--port", type=int, default=PORT, help="of --serve")
    parser.add_argument(
        "--no-token",
        action="store_true",
        help="with --serve: let everybody on this machine look, without the token"
        " that its address has",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write a session file, for support",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="show a session file again",
    )
    parser.add_argument(
        "--preferences",
        type=Path,
        metavar="FILE",
        help="theme, keys, and how much the line bears;"
        " else ~/.config/wheeltapper/dashboard.toml, if it is there",
    )


def run(args: argparse.Namespace) -> int:
    """Show it until it is left; the processes may come and go meanwhile."""
    if find_spec("textual") is None:
        raise CommandError(NEEDS, EXIT_USAGE)
    if sum(map(bool, (args.serve, args.record, args.replay))) > 1:
        raise CommandError("one of --serve, --record, --replay", EXIT_USAGE)
    if args.no_token and not args.serve:
        raise CommandError("--no-token goes with --serve", EXIT_USAGE)
    if not args.serve and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError("the dashboard needs a terminal", EXIT_USAGE)
    wanted = _preferences(args.preferences)
    if args.serve:
        return _serve(args, wanted)
    if args.replay is not None:
        return _replay(args, wanted)
    return _show(args, wanted)


def _preferences(path: Path | None) -> Preferences:
    from appliance.dashboard.preferences import (  # noqa: PLC0415 - an extra
        Preferences,
        PreferencesError,
        read_preferences,
        usual_place,
    )

    place = usual_place() if path is None else path
    if path is None and not place.exists():
        return Preferences()
    try:
        return read_preferences(place)
    except PreferencesError as error:
        raise CommandError(str(error), EXIT_USAGE) from error


def _show(args: argparse.Namespace, wanted: Preferences) -> int:
    from appliance.dashboard.app import Dashboard  # noqa: PLC0415 - an extra
    from appliance.dashboard.record import Recorder  # noqa: PLC0415 - an extra

    recorder = None
    try:
        recorder = None if args.record is None else Recorder(args.record)
    except OSError as error:
        raise CommandError(f"{args.record}: {error.strerror}", EXIT_USAGE) from error
    app = Dashboard(
        args.run_dir, clock=SystemClock(), state_dir=args.state_dir,
        preferences=wanted, recorder=recorder,
    )  # fmt: skip
    try:
        app.run(mouse=wanted.mouse)
    finally:
        if recorder is not None:
            recorder.close()
            if recorder.trouble:
                sys.stderr.write(f"{args.record}: {recorder.trouble}\n")
    return app.return_code or EXIT_WELL


def _replay(args: argparse.Namespace, wanted: Preferences) -> int:
    from appliance.dashboard.replay import Replay  # noqa: PLC0415 - an extra
    from appliance.dashboard.session import SessionError  # noqa: PLC0415 - an extra

    try:
        with args.replay.open("rb") as file:
            app = Replay(
                file, clock=SystemClock(), run_dir=args.run_dir, preferences=wanted
            )
            app.run(mouse=wanted.mouse)
    except OSError as error:
        raise CommandError(f"{args.replay}: {error.strerror}", EXIT_USAGE) from error
    except SessionError as error:
        raise CommandError(f"{args.replay}: {error}", EXIT_USAGE) from error
    return app.return_code or EXIT_WELL


def _serve(args: argparse.Namespace, wanted: Preferences) -> int:
    from appliance.dashboard.app import Dashboard  # noqa: PLC0415 - an extra
    from appliance.dashboard.entry import TOKEN_BYTES  # noqa: PLC0415 - an extra
    from appliance.dashboard.serve import READ_ONLY, serve  # noqa: PLC0415 - an extra

    token = "" if args.no_token else secrets.token_urlsafe(TOKEN_BYTES)
    clock = SystemClock()
    app = Dashboard(
        args.run_dir, clock=clock, state_dir=args.state_dir, preferences=wanted,
        read_only=READ_ONLY,
    )  # fmt: skip
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(app, port=args.port, clock=clock, said=_say, token=token))
    except OSError as error:
        raise CommandError(f"port {args.port}: {error.strerror}", EXIT_USAGE) from error
    return EXIT_WELL


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
