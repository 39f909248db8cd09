"""`wheeltapper write POINT VALUE --source NAME`: one point of the allow-list, proven.

The list is enforced by the connector, below this command; the points of a running
safety process are its own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import pwd
import sys
from typing import TYPE_CHECKING

from appliance.commands.common import add_config, add_places, configuration, say
from appliance.commands.dialling import (
    Owned,
    answers,
    lost_words,
    owned_sources,
    refuse_a_second_connection,
    usage,
)
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_UNREACHABLE,
    EXIT_WELL,
    CommandError,
)
from appliance.domain.ports import OutputFailedError, SourceUnavailableError
from appliance.runtime import logs
from appliance.runtime.clock import SystemClock
from appliance.runtime.places import use_state_dir
from appliance.runtime.plugins import UnknownConnectorError, load_connector

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from appliance.domain.ports import Output
    from appliance.runtime.settings import Settings

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    add = parser.add_argument
    add("point", metavar="POINT", help="a name listed under `points` of the source")
    add("value", type=float, metavar="VALUE", help="in engineering units")
    add("--source", required=True, metavar="NAME")
    add_config(parser)
    add("--yes", action="store_true", help="do not ask, for scripts")
    add("--timeout", type=float, default=5.0, metavar="S",
        help="patience with the device (default %(default)s)")  # fmt: skip
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Write and read back; 1 if it is refused or not proven, 69 if nobody answers."""
    owned = _source(args)
    point = _point(owned, args)
    if not math.isfinite(args.value):
        raise usage(f"{args.value} is not a value to write")
    _leave_safety_its_own(owned, point, args)
    refuse_a_second_connection(owned, args.run_dir)
    _confirm(owned, args)
    use_state_dir(args.state_dir)
    logs.configure("write")
    output = _output(owned)
    what = f"{owned.settings.name}/{args.point} = {args.value:g} by {_who()}"
    try:
        asyncio.run(_write(output, args))
    except OutputFailedError as error:
        log.warning("%s: failed: %s", what, error)
        raise _failed(error, owned, point, args) from error
    log.warning("%s: written and read back", what)
    say(f"{args.point}: {args.value:g} written and read back")
    return EXIT_WELL


async def _write(output: Output, args: argparse.Namespace) -> None:
    async with output.open():
        await output.write(args.point, args.value, deadline_s=args.timeout)


def _source(args: argparse.Namespace) -> Owned:
    sources = owned_sources(configuration(args.config))
    found = [each for each in sources if each.settings.name == args.source]
    # A name may stand on both sides; then it is the one that has the point.
    found.sort(key=lambda each: args.point not in _names(each))
    if found:
        return found[0]
    known = ", ".join(each.settings.name for each in sources) or "none"
    raise usage(f"no source {args.source!r} in {args.config}; known: {known}")


def _point(owned: Owned, args: argparse.Namespace) -> Settings:
    points = _points(owned)
    for point in points:
        if getattr(point, "name", None) == args.point:
            return point
    known = ", ".join(_names(owned)) or "none"
    where = f"{owned.place.rpartition('.')[0]}.points"
    raise usage(
        f"{args.config}: {owned.place}: no point {args.point!r} may be written; "
        f"known: {known}. List it under [[{where}]], with what may be "
        "written, and check the configuration"
    )


def _points(owned: Owned) -> Sequence[Settings]:
    points: Sequence[Settings] = getattr(owned.settings, "points", ())
    return points


def _names(owned: Owned) -> list[str]:
    return [str(getattr(each, "name", "")) for each in _points(owned)]


def _leave_safety_its_own(
    owned: Owned, point: Settings, args: argparse.Namespace
) -> None:
    """Refuse what the running safety process writes, by whatever source it is reached.

    Raises:
        CommandError: It is safety's.
    """
    if not answers(args.run_dir, "safety"):
        return
    place = owned.settings.written_place(point)
    for other in owned_sources(configuration(args.config)):
        if other.owner != "safety":
            continue
        places = [other.settings.written_place(each) for each in _points(other)]
        if other.settings is owned.settings or place in places:
            raise CommandError(
                f"{args.config}: {owned.place}: {args.point} belongs to the safety "
                "process, which runs and writes it; to stop the machine: wheeltapper "
                "trips stop. To try the point itself, stop the process first "
                "(systemctl stop wheeltapper-safety)"
            )


def _confirm(owned: Owned, args: argparse.Namespace) -> None:
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise usage("nobody is there to confirm; in a script, say --yes")
    say(
        f"{args.value:g} will be written to {args.point} of {owned.settings.name}; the "
        "machine may move."
    )
    sys.stdout.write("Type the point's name to write it: ")
    sys.stdout.flush()
    if sys.stdin.readline().strip() != args.point:
        raise CommandError("not written: that was not its name", EXIT_FINDING)


def _output(owned: Owned) -> Output:
    settings = owned.settings
    try:
        return load_connector(settings.connector).output(settings, SystemClock())
    except UnknownConnectorError as error:
        raise usage(str(error)) from error


def _failed(
    error: OutputFailedError, owned: Owned, point: Settings, args: argparse.Namespace
) -> CommandError:
    cause = error.__cause__
    if isinstance(cause, SourceUnavailableError | TimeoutError):
        return CommandError(lost_words(owned, error, args.run_dir), EXIT_UNREACHABLE)
    listed = {
        key: each
        for key, each in point.model_dump(exclude_unset=True, mode="json").items()
        if key in ("values", "range", "type", "table")
    }
    return CommandError(
        f"{args.config}: {owned.place}: {error}. The point is listed as {listed}; "
        "change that if it is wrong"
    )


def _who() -> str:
    """Return the user who did it, also behind sudo."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    behind = os.environ.get("SUDO_USER")
    return f"{name} (for {behind})" if behind else name
