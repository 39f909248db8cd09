"""`wheeltapper trend TAG`: the stored history of a tag, thinned but never falsified."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from appliance.commands.common import add_json, add_places, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL, CommandError
from appliance.commands.learn import when_ns
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.runtime.clock import SystemClock
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from appliance.domain.batch import TimeColumn

_NS = 1_000_000_000


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    parser.add_argument("tag", metavar="TAG")
    parser.add_argument("--from", dest="since", default="1h", metavar="TIME")
    parser.add_argument("--to", dest="until", default="0s", metavar="TIME")
    parser.add_argument("--points", type=int, default=60)
    add_json(parser)
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Print time, value and quality; lowest and highest of equal shares survive."""
    now_ns = SystemClock().utc_ns()
    since_ns, until_ns = when_ns(args.since, now_ns), when_ns(args.until, now_ns)
    tag = TagId(args.tag)
    try:
        with open_reader(args.state_dir / "buffer.db") as reader:
            known = reader.tags().get(tag)
            kept = reader.history(tag, since_ns, until_ns, points=args.points)
    except StoreOpenError as error:
        raise CommandError(str(error)) from error
    if known is None:
        raise CommandError(f"no tag {args.tag!r} has ever been stored")
    if kept.damaged:
        raise CommandError(f"{kept.damaged} blocks are damaged; see `buffer verify`")
    rows = [
        (_time(time_ns), None if math.isnan(value) else value, Quality(quality).name)
        for time_ns, value, quality in zip(
            kept.source_time_ns.tolist(), kept.value.tolist(), kept.quality, strict=True
        )
    ]
    if args.json:
        say_json(list(_objects(rows, kept.server_time_ns)))
    elif rows:
        say(
            table(("TIME (UTC)", f"VALUE ({known.engineering_units})", "QUALITY"), rows)
        )
    else:
        say("nothing is stored for that time")
    return EXIT_WELL if rows else EXIT_FINDING


def _objects(
    rows: Sequence[tuple[str, float | None, str]], server: TimeColumn | None
) -> Iterator[dict[str, str | float | None]]:
    """Yield the rows with names; `server_time` only where a row has the second time."""
    for place, (time, value, quality) in enumerate(rows):
        found = {"time": time, "value": value, "quality": quality}
        if server is not None and server[place]:
            found["server_time"] = _time(int(server[place]))
        yield found


def _time(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns / _NS, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
