"""`wheeltapper read TAG…`: each tag once, raw, decoded and scaled, without a hub."""

from __future__ import annotations

import argparse
import asyncio
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.commands.common import (
    add_config,
    add_json,
    add_places,
    configuration,
    say,
    say_json,
    table,
)
from appliance.commands.dialling import (
    Owned,
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
from appliance.domain.naming import matches
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.domain.statuses import status_name
from appliance.runtime import logs
from appliance.runtime.clock import SystemClock
from appliance.runtime.places import use_state_dir
from appliance.runtime.plugins import load_connector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.commissioning import Probed
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId

_NS_PER_S = 1_000_000_000
_LONGEST_WATCH = 100_000
_DECODED_SHOWN = 40
_HEAD = (
    "TAG", "RAW", "DECODED", "VALUE", "UNIT", "QUALITY", "SOURCE TIME", "SERVER TIME",
    "AGE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Tags of one source that are to be read."""

    owned: Owned
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one source said: a row per tag, or why it said nothing."""

    wanted: _Wanted
    found: tuple[Probed, ...] = ()
    lost: SourceUnavailableError | None = None


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    add = parser.add_argument
    add("tags", nargs="*", metavar="TAG", help="a name, or a pattern: 'P-101/*'")
    add_config(parser)
    add("--all", action="store_true", help="every tag of every source")
    add("--source", metavar="NAME", help="of this source alone")
    add("--watch", type=_count, default=1, metavar="N", help="so many times")
    add("--every", type=_seconds, default=1.0, metavar="S",
        help="seconds between two times (default %(default)s)")  # fmt: skip
    add("--timeout", type=_seconds, default=10.0, metavar="S",
        help="patience with a source (default %(default)s)")  # fmt: skip
    add_json(parser)
    add_places(parser)


def run(args: argparse.Namespace) -> int:
    """Read; 1 if any tag is bad, 69 if a source is not reachable."""
    wanted = _wanted(configuration(args.config), args)
    for each in wanted:
        refuse_a_second_connection(each.owned, args.run_dir)
    use_state_dir(args.state_dir)
    logs.silence()
    return asyncio.run(_watch(wanted, args, SystemClock()))


async def _watch(
    wanted: Sequence[_Wanted], args: argparse.Namespace, clock: Clock
) -> int:
    worst = EXIT_WELL
    for turn in range(args.watch):
        if turn:
            await clock.sleep(args.every)
        answers = await _read(wanted, args.timeout, clock)
        worst = max(worst, _show(answers, args, clock.utc_ns()))
        errors = [each for each in answers if each.lost is not None]
        if errors:
            texts = [lost_words(each.wanted.owned, each.lost, args.run_dir)
                     for each in errors if each.lost is not None]  # fmt: skip
            raise CommandError("\n".join(texts), EXIT_UNREACHABLE)
    return worst


async def _read(
    wanted: Sequence[_Wanted], deadline_s: float, clock: Clock
) -> list[_Answer]:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _ask(each, deadline_s, clock),
                name=f"read.{each.owned.settings.name}",
            )
            for each in wanted
        ]
    return [task.result() for task in tasks]


async def _ask(wanted: _Wanted, deadline_s: float, clock: Clock) -> _Answer:
    settings = wanted.owned.settings
    probe = load_connector(settings.connector).probe(settings, clock)
    try:
        found = await probe.probe(
            [tag.id for tag in wanted.tags], deadline_s=deadline_s
        )
    except SourceUnavailableError as error:
        return _Answer(wanted, lost=error)
    return _Answer(wanted, found)


def _wanted(config: Config, args: argparse.Namespace) -> tuple[_Wanted, ...]:
    """Return what is to be read, source by source.

    Raises:
        CommandError: A tag or source that is not there, or one that cannot be read so.
    """
    if args.all == bool(args.tags):
        raise usage("say which TAG, or --all")
    sources = [
        each
        for each in owned_sources(config)
        if args.source in (None, each.settings.name)
    ]
    if not sources:
        raise usage(f"no source {args.source!r} in {args.config}")
    globs = ["*"] if args.all else args.tags
    known: dict[TagId, None] = {}
    found: list[_Wanted] = []
    for each in sources:
        table_of = each.settings.tag_table()
        known |= dict.fromkeys(tag.id for tag in table_of)
        chosen = tuple(t for t in table_of if any(matches(t.id, g) for g in globs))
        can_be_read = load_connector(each.settings.connector).probe_path is not None
        if chosen and not can_be_read and not args.all:
            raise usage(
                f"{chosen[0].id}: source {each.settings.name} "
                f"({each.settings.connector}) cannot be read once; see wheeltapper "
                "trend"
            )
        if chosen and can_be_read:
            found.append(_Wanted(each, chosen))
    unknown = [g for g in globs if not any(matches(tag, g) for tag in known)]
    if unknown:
        raise usage(_unknown_words(unknown, config, args.config))
    return tuple(found)


def _unknown_words(unknown: Sequence[str], config: Config, path: Path) -> str:
    derived = {tag.id for tag in config.derived_tags()}
    own = [each for each in unknown if each in derived]
    if own:
        return f"{own[0]} is derived by inference, not read; see wheeltapper trend"
    return f"no tag {', '.join(map(repr, unknown))} in {path}; wheeltapper read --all"


def _show(answers: Sequence[_Answer], args: argparse.Namespace, now_ns: int) -> int:
    rows = [
        (tag, probed, answer.wanted.owned)
        for answer in answers
        for tag, probed in zip(answer.wanted.tags, answer.found, strict=False)
    ]
    if args.json:
        say_json([_described(*row, now_ns) for row in rows])
    elif rows:
        say(table(_HEAD, (_cells(tag, probed, now_ns) for tag, probed, _ in rows)))
    is_bad = any(probed.sample.quality is Quality.BAD for _, probed, _ in rows)
    return EXIT_FINDING if is_bad else EXIT_WELL


def _cells(tag: Tag, probed: Probed, now_ns: int) -> tuple[str, ...]:
    sample = probed.sample
    value = "" if math.isnan(sample.value) else f"{sample.value:.7g}"
    if state := _state(tag, probed):
        value += f" {state}"
    server_ns = sample.server_time_ns
    return (
        tag.id,
        probed.raw,
        probed.decoded[:_DECODED_SHOWN],
        value,
        tag.engineering_units,
        _quality_words(probed),
        _time(sample.source_time_ns),
        _time(server_ns) if server_ns else "",
        f"{(now_ns - sample.source_time_ns) / _NS_PER_S:.1f} s",
    )


def _described(tag: Tag, probed: Probed, owned: Owned, now_ns: int) -> dict[str, Any]:
    sample = probed.sample
    server_ns = sample.server_time_ns
    return {
        "tag": tag.id,
        "source": owned.settings.name,
        "raw": probed.raw,
        "decoded": probed.decoded,
        "value": sample.value if math.isfinite(sample.value) else None,
        "state": _state(tag, probed),
        "engineering_units": tag.engineering_units,
        "quality": sample.quality.name.lower(),
        "status": status_name(sample.status),
        "source_time": _time(sample.source_time_ns),
        "server_time": _time(server_ns) if server_ns else None,
        "age_s": round((now_ns - sample.source_time_ns) / _NS_PER_S, 3),
    }


def _state(tag: Tag, probed: Probed) -> str:
    """Return the configuration's word for the value, else the other side's."""
    return tag.state_of(probed.sample.value) or probed.state


def _quality_words(probed: Probed) -> str:
    sample = probed.sample
    word, name = sample.quality.name, status_name(sample.status)
    return word if name.upper() == word else f"{word} {name}"


def _time(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns / _NS_PER_S, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= _LONGEST_WATCH:
        raise argparse.ArgumentTypeError(f"within 1..{_LONGEST_WATCH}")
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("more than 0")
    return seconds
