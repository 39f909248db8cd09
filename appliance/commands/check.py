"""`wheeltapper check CONFIG` and `show-config`: say what is wrong, or what holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from appliance.commands.common import configuration, say, say_json
from appliance.commands.exits import EXIT_CONFIG, EXIT_WELL
from appliance.config import ConfigError, load_config
from appliance.config.crosscheck_alarms import unsaid, unwatched
from appliance.config.crosscheck_callout import uncalled

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from appliance.config import Config


_KEYS = {
    "safety_sources": "safety.sources",
    "initiators": "safety.initiators",
    "elements": "safety.elements",
    "matrix": "safety.matrix",
}
"""Fields of `Config` that lie deeper in the file."""
_COLUMN = 60


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    parser.set_defaults(show=name == "show-config")
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--advice", action="store_true", help="with --json: what is allowed, but lacks"
    )


def run(args: argparse.Namespace) -> int:
    """Print every problem (exit 78), or what the configuration amounts to."""
    if args.show:
        return _show(configuration(args.config), as_json=args.json)
    try:
        config = load_config(args.config)
    except ConfigError as error:
        if args.json:
            say_json([_row(problem) for problem in error.problems])
        else:
            for problem in error.problems:
                say(problem.text(error.file))
        return EXIT_CONFIG
    advice = list(_advice(config))
    if args.json:
        say_json([{"key": k, "advice": a} for k, a in advice] if args.advice else [])
        return EXIT_WELL
    say(_summary(config))
    for key, text in advice:
        say(f"  advice: {key}: {text}")
    return EXIT_WELL


def _advice(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is allowed, and yet would leave an operator alone at night."""
    for alarm, missing in unsaid(config):
        yield f"alarm {alarm}", f"it does not say {', '.join(missing)}"
    for tag in unwatched(config):
        yield f"tag {tag}", 'no alarm would tell of its bad quality; add rule = "bad"'
    if config.callout is not None:
        for key, text in uncalled(config.callout):
            yield f"callout {key}", text


def _row(problem: Any) -> dict[str, Any]:  # noqa: ANN401 - any flat dataclass
    return {field.name: getattr(problem, field.name) for field in fields(problem)}


def _summary(config: Config) -> str:
    return (
        f"well: {len(config.measured_tags())} tags of {len(config.sources)} sources, "
        f"{len(config.assets)} assets, {len(config.alarms)} alarms, "
        f"{len(config.initiators)} initiators on {len(config.elements)} elements "
        f"({config.safety.mode})"
    )


def _show(config: Config, *, as_json: bool) -> int:
    """Print every effective value and whether the file or a default gave it."""
    rows = [
        row
        for field in fields(config)
        for row in _rows(_KEYS.get(field.name, field.name), getattr(config, field.name))
    ]
    if as_json:
        say_json([{"key": k, "value": v, "origin": o} for k, v, o in rows])
        return EXIT_WELL
    for key, value, origin in rows:
        say(f"{f'{key} = {json.dumps(value)}':{_COLUMN}}  # {origin}")
    return EXIT_WELL


def _rows(
    key: str, value: object, origin: str = "default"
) -> Iterator[tuple[str, object, str]]:
    """Yield key path, plain value and origin, one row per leaf."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            given = "file" if name in value.model_fields_set else "default"
            yield from _rows(f"{key}.{name}", getattr(value, name), given)
    elif isinstance(value, tuple) and any(isinstance(v, BaseModel) for v in value):
        for index, each in enumerate(value):
            yield from _rows(f"{key}[{index}]", each, origin)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _rows(f"{key}.{name}", each, "file")
    else:
        yield key, json.loads(json.dumps(value, default=str)), origin
