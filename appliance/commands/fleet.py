"""`wheeltapper fleet …`: start the cloud half, which is a program of its own."""

from __future__ import annotations

import argparse
import subprocess
from importlib.util import find_spec

from appliance.commands.children import python
from appliance.commands.exits import EXIT_FINDING, CommandError


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments: all go to `python -m fleet`."""
    del name
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="ingest|report …")


def run(args: argparse.Namespace) -> int:
    """Run `python -m fleet` with the words given; return its exit code.

    Raises:
        CommandError: The extra `fleet` is not installed.
    """
    if find_spec("duckdb") is None:
        raise CommandError("install the extra: wheeltapper[fleet]", EXIT_FINDING)
    words = args.words or ["--help"]
    return subprocess.run(python("-m", "fleet", *words), check=False).returncode  # noqa: S603 - our own module
