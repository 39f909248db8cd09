"""`wheeltapper check CONFIG` and `show-config`: say what is wrong, or what holds."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from appliance.commands.common import configuration, say, say_json
from appliance.commands.exits import EXIT_CONFIG, EXIT_WELL
from appliance.config import ConfigError, load_config

if TYPE_CHECKING:
    import argparse

    from appliance.config import Config


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    parser.set_defaults(show=name == "show-config")
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every problem (exit 78), or what the configuration amounts to."""
    if args.show:
        say_json(_effective(configuration(args.config)))
        return EXIT_WELL
    try:
        config = load_config(args.config)
    except ConfigError as error:
        if args.json:
            say_json([_row(problem) for problem in error.problems])
        else:
            for problem in error.problems:
                say(problem.text(error.file))
        return EXIT_CONFIG
    if args.json:
        say_json([])
        return EXIT_WELL
    say(_summary(config))
    return EXIT_WELL


def _row(problem: Any) -> dict[str, Any]:  # noqa: ANN401 - any flat dataclass
    return {field.name: getattr(problem, field.name) for field in fields(problem)}


def _summary(config: Config) -> str:
    return (
        f"well: {len(config.measured_tags())} tags of {len(config.sources)} sources, "
        f"{len(config.assets)} assets, {len(config.alarms)} alarms, "
        f"{len(config.initiators)} initiators on {len(config.elements)} elements "
        f"({config.safety.mode})"
    )


def _effective(config: Config) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field in fields(config):
        shown[field.name] = _plain(getattr(config, field.name))
    return shown


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return json.loads(value.model_dump_json())
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
