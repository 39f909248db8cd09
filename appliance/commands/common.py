"""What the commands share: where things are, how they are printed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.commands.exits import (
    EXIT_CONFIG,
    EXIT_FINDING,
    EXIT_UNREACHABLE,
    CommandError,
)
from appliance.config import Config, ConfigError, load_config
from appliance.link.client import LinkLostError, LinkRefusedError, connect

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

DEFAULT_CONFIG = Path("/etc/wheeltapper/wheeltapper.toml")
DEFAULT_STATE = Path("/var/lib/wheeltapper")
DEFAULT_RUN = Path("/run/wheeltapper")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare `-c`."""
    parser.add_argument(
        "-c", "--config", type=Path, default=DEFAULT_CONFIG, metavar="CONFIG",
        help=f"configuration file (default {DEFAULT_CONFIG})",
    )  # fmt: skip


def add_places(parser: argparse.ArgumentParser) -> None:
    """Declare `--state-dir` and `--run-dir`, also taken from the environment."""
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR",
        default=Path(os.environ.get("WHEELTAPPER_STATE_DIR", DEFAULT_STATE)),
        help=f"where the buffer, models and keys live (default {DEFAULT_STATE})",
    )  # fmt: skip
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR",
        default=Path(os.environ.get("WHEELTAPPER_RUN_DIR", DEFAULT_RUN)),
        help=f"where the sockets are (default {DEFAULT_RUN})",
    )  # fmt: skip


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def configuration(path: Path) -> Config:
    """Return the configuration.

    Raises:
        CommandError: With every problem, exit code 78.
    """
    try:
        return load_config(path)
    except ConfigError as error:
        raise CommandError(str(error), EXIT_CONFIG) from error


def ask(socket: Path, op: str, **args: Any) -> Any:  # noqa: ANN401 - msgpack
    """Ask a running process for one operation.

    Raises:
        CommandError: It is not there (exit 69) or refuses (exit 1).
    """

    async def asking() -> Any:  # noqa: ANN401 - msgpack
        async with connect(socket, process="command") as link:
            return await link.request(op, **args)

    try:
        return asyncio.run(asking())
    except LinkLostError as error:
        raise CommandError(
            f"{error}; is the process running?", EXIT_UNREACHABLE
        ) from error
    except LinkRefusedError as error:
        raise CommandError(f"refused: {error}", EXIT_FINDING) from error


def say(text: str = "") -> None:
    """Print a line for people."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """Print JSON for machines."""
    say(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows under their heads, in columns as wide as needed."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines = (
        "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in cells
    )
    return "\n".join(line.rstrip() for line in lines)
