"""`wheeltapper install --root DIR`: lay a gateway out below a root, or check one.

It may be done again at any time: what is as it should be is kept, and so is a
configuration that exists.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.commands.common import add_json, configuration, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL, CommandError
from appliance.commands.layout import (
    CONFIG,
    Place,
    Root,
    SiteFile,
    our_files,
    site_places,
)
from appliance.config import ConfigError, load_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

HOME = Path("/opt/wheeltapper/venv")


@dataclass(frozen=True, slots=True)
class Line:
    """What was done to, or found at, one place."""

    path: str
    said: str


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR",
        help="the root to lay it out below: / on the gateway itself",
    )  # fmt: skip
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="the configuration to begin with (default: a commented template)",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true", help="change nothing; say what is not right"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Lay out, or check; exit 1 where something is not as it should be."""
    given = _given(args.config)
    places: tuple[Place, ...] = (*our_files(), *site_places(given))
    root = Root(args.root)
    if args.check:
        return _check(root, places, as_json=args.json)
    lines = tuple(_make(root, place) for place in places)
    kept = _kept_other(root, given)
    steps = next_steps(root, places)
    if args.json:
        say_json({"places": _rows(lines), "config_kept": kept, "next": steps})
    else:
        say(table(("DONE", "PLACE"), ((line.said, line.path) for line in lines)))
        if kept:
            say(f"\n{args.config} was not used: /{CONFIG} exists and differs")
        say("\nnext:")
        for step in steps:
            say(f"  {step}")
    return EXIT_FINDING if kept else EXIT_WELL


def next_steps(root: Root, places: tuple[Place, ...]) -> tuple[str, ...]:
    """Return what a person does now, in order."""
    steps = []
    if root.missing_names(places):
        steps += [
            f"systemd-sysusers --root={root.path} wheeltapper.conf",
            f"wheeltapper install --root {root.path}",
        ]
    if Path(sys.prefix) != HOME.resolve() and root.path == Path("/"):
        steps.append(f"install the product in {HOME}: that is where the units start it")
    steps += [
        f"edit /{CONFIG}",
        f"wheeltapper check /{CONFIG}",
        "systemctl daemon-reload",
        "systemctl enable --now wheeltapper.target",
    ]
    return tuple(steps)


def _rows(lines: Iterable[Line]) -> list[dict[str, str]]:
    return [{"place": line.path, "said": line.said} for line in lines]


def _given(path: Path | None) -> bytes | None:
    if path is None:
        return None
    configuration(path)
    return path.read_bytes()


def _make(root: Root, place: Place) -> Line:
    try:
        return Line(f"/{place.path}", root.make(place))
    except OSError as error:
        problem = f"{root.path / place.path}: {error.strerror}"
        raise CommandError(problem) from error


def _kept_other(root: Root, given: bytes | None) -> bool:
    """Say whether a configuration was given that is not the one in force."""
    return given is not None and (root.path / CONFIG).read_bytes() != given


def _check(root: Root, places: tuple[Place, ...], *, as_json: bool) -> int:
    found = [
        Line(f"/{place.path}", fault)
        for place in places
        if (fault := root.fault(place)) is not None
    ]
    found += [
        Line("/etc/passwd", f"no user or group {name}")
        for name in root.missing_names(places)
    ]
    found += _config_faults(root, places)
    if as_json:
        say_json(_rows(found))
    elif found:
        say(table(("PLACE", "PROBLEM"), ((line.path, line.said) for line in found)))
        say(f"\nmend it: wheeltapper install --root {root.path}")
    else:
        say(f"well: {len(places)} places are as they should be")
    return EXIT_FINDING if found else EXIT_WELL


def _config_faults(root: Root, places: tuple[Place, ...]) -> list[Line]:
    faults = []
    for place in places:
        if isinstance(place, SiteFile) and (root.path / place.path).is_file():
            try:
                load_config(root.path / place.path)
            except ConfigError as error:
                number = len(error.problems)
                said = f"{number} mistakes; wheeltapper check names them"
                faults.append(Line(f"/{place.path}", said))
    return faults
