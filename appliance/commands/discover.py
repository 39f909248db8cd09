"""`wheeltapper discover opcua URL | modbus HOST`: what is there, as a configuration."""

from __future__ import annotations

import argparse
import asyncio
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from appliance.commands.common import add_json, add_places, say, say_json, table
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_INTERRUPTED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    EXIT_WELL,
    CommandError,
)
from appliance.config.load import check_text
from appliance.domain.ports import SourceUnavailableError
from appliance.runtime import logs
from appliance.runtime.clock import SystemClock
from appliance.runtime.drafts import HEADING
from appliance.runtime.files import write_whole
from appliance.runtime.places import use_state_dir
from appliance.runtime.plugins import connector_names, load_connector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.domain.commissioning import Exploration
    from appliance.domain.ports import Explorer


class _Protocol(argparse.ArgumentParser):
    """Declares its arguments when they are needed: a protocol's library is large."""

    declare: Callable[[], None] | None = None

    def parse_known_args(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - argparse's
        """Parse, having declared what there is to parse."""
        self._declare()
        return super().parse_known_args(*given, **named)

    def _declare(self) -> None:
        declare, self.declare = self.declare, None
        if declare is not None:
            declare()


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the protocols; each declares its own arguments."""
    del name
    protocols = parser.add_subparsers(
        dest="protocol", required=True, metavar="PROTOCOL", parser_class=_Protocol
    )
    for each in connector_names():
        card = load_connector(each)
        if card.explorer_path is None:
            continue
        sub = protocols.add_parser(each, help=f"look at what speaks {each}")
        sub.declare = _declaring(sub, each)


def _declaring(sub: argparse.ArgumentParser, name: str) -> Callable[[], None]:
    def declare() -> None:
        explorer = load_connector(name).explorer(SystemClock())
        sub.set_defaults(explorer=explorer)
        explorer.add_arguments(sub)
        sub.add_argument(
            "--out", type=Path, metavar="FILE",
            help="write the configuration there, not to standard output",
        )  # fmt: skip
        sub.add_argument(
            "--add", action="store_true", help="add the source to what FILE holds"
        )
        sub.add_argument("--force", action="store_true", help="replace FILE")
        add_json(sub)
        add_places(sub)

    return declare


def run(args: argparse.Namespace) -> int:
    """Look, print what was found, and write the configuration."""
    _refuse_a_lost_file(args)
    use_state_dir(args.state_dir)
    logs.silence()
    found = _explored(args.explorer, args)
    toml = _checked(found, args)
    if args.out is not None:  # first: the listing may end in a closed pipe
        _write(args.out, toml)
    if args.json:
        say_json({"rows": found.rows, "notes": found.notes, "toml": toml})
    else:
        # The configuration alone may be redirected into a file.
        tell = say if args.out is not None else _tell
        for line in _listing(found):
            tell(line)
    if not args.json:
        written = f"{found.tag_count} tags written to {args.out}; wheeltapper check it"
        say(toml.rstrip("\n") if args.out is None else written)
    return EXIT_WELL if found.tag_count else EXIT_FINDING


def _explored(explorer: Explorer, args: argparse.Namespace) -> Exploration:
    try:
        return asyncio.run(explorer.explore(args))
    except SourceUnavailableError as error:
        raise CommandError(str(error), EXIT_UNREACHABLE) from error
    except ValidationError as error:
        raise CommandError(_mistakes(error), EXIT_USAGE) from error
    except ValueError as error:
        raise CommandError(str(error), EXIT_USAGE) from error
    except KeyboardInterrupt:
        raise CommandError("interrupted", EXIT_INTERRUPTED) from None


def _refuse_a_lost_file(args: argparse.Namespace) -> None:
    if args.add and args.out is None:
        raise CommandError("--add needs --out FILE", EXIT_USAGE)
    if args.out is not None and args.out.exists() and not (args.force or args.add):
        raise CommandError(
            f"{args.out} exists and is left as it is; give another name, --add the "
            "source to it, or replace it: --force",
            EXIT_USAGE,
        )


def _checked(found: Exploration, args: argparse.Namespace) -> str:
    """Return the configuration, with what the file holds already; `check` accepts it.

    Raises:
        CommandError: It does not fit with what the file holds.
    """
    toml = found.toml
    if args.add and args.out.exists():
        try:
            before = args.out.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{args.out}: {error}") from error
        toml = f"{before.rstrip()}\n{toml.removeprefix(HEADING.rstrip())}"
    _, problems = check_text(toml)
    if problems:
        listed = "\n".join(problem.text("(the new file)") for problem in problems)
        raise CommandError(
            f"nothing was written, because check would refuse it:\n{listed}\n"
            "if a name is there twice, give the source another: --source NAME"
        )
    return toml


def _listing(found: Exploration) -> list[str]:
    lines: list[str] = []
    for head, rows in groupby(found.rows, key=tuple):
        cells = [list(row.values()) for row in rows]
        used = [at for at in range(len(head)) if any(row[at] for row in cells)]
        heads = [head[at].upper() for at in used]
        lines += [table(heads, _only(cells, used)), ""]
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _only(rows: Sequence[Sequence[str]], columns: Sequence[int]) -> list[list[str]]:
    return [[row[at] for at in columns] for row in rows]


def _write(path: Path, toml: str) -> None:
    try:
        write_whole(path, toml.encode())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error


def _mistakes(error: ValidationError) -> str:
    return "; ".join(
        ": ".join(
            (
                ".".join(str(part) for part in each["loc"]) or "arguments",
                each["msg"].removeprefix("Value error, "),
            )
        )
        for each in error.errors(include_url=False)
    )


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
