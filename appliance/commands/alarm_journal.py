"""`wheeltapper alarms kpi` and `alarms journal verify`: how good, and how true."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.alarms.metrics import recomputed
from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_USAGE, EXIT_WELL, CommandError
from appliance.commands.learn import when_ns
from appliance.domain.event import Event, EventKind
from appliance.runtime.clock import SystemClock
from appliance.storage.chain import JOURNAL_HASH, JOURNAL_SEQ
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import BufferReader, open_reader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

_HEX_DIGITS = 64
_UNITS = {"Rate": "s", "MaximumActiveState": "ms", "MaximumUnAck": "ms"}
"""Of the figures that are no counts; those of AlarmMetricsType are Part 9's."""
_LISTS = ("top_10", "priority_pct", "chattering", "stale")


def configure(acts: Any) -> None:  # noqa: ANN401 - argparse has no public type of it
    """Declare `kpi` and `journal verify`."""
    kpi = acts.add_parser("kpi", help="figures of OPC UA AlarmMetricsType, EEMUA, ISA")
    kpi.add_argument("--from", dest="since", metavar="TIME", help="since the start")
    kpi.add_argument("--to", dest="until", default="0s", metavar="TIME")
    kpi.add_argument(
        "--journal", action="store_true", help="from the buffer itself, hub or no hub"
    )
    add_json(kpi)
    add_places(kpi)
    journal = acts.add_parser("journal", help="the event log").add_subparsers(
        dest="journal_act", required=True, metavar="ACT"
    )
    verify = journal.add_parser("verify", help="is it as it was recorded? (exit 1: no)")
    verify.add_argument(
        "--anchor", action="append", default=[], metavar="SEQ:HASH",
        help="a head of the chain that the cloud, or a person, has kept",
    )  # fmt: skip
    add_json(verify)
    add_places(verify)


def run_kpi(args: argparse.Namespace) -> int:
    """Print the figures, live ones since the hub's start unless a time is given."""
    now_ns = SystemClock().utc_ns()
    since_ns = None if args.since is None else when_ns(args.since, now_ns)
    until_ns = when_ns(args.until, now_ns)
    if args.journal:
        work = partial(_recomputed, since_ns=since_ns, until_ns=until_ns)
        figures = _read(args.state_dir, work)
    else:
        span = {} if since_ns is None else {"from_ns": since_ns, "to_ns": until_ns}
        figures = ask(args.run_dir / "hub.sock", "alarms.kpi", **span)
    if args.json:
        say_json(figures)
        return EXIT_WELL
    plain = [
        (name, value, _UNITS.get(name, ""))
        for name, value in figures.items()
        if name not in _LISTS
    ]
    say(table(("FIGURE", "VALUE", "UNIT"), plain))
    say()
    shares = [(name, f"{pct} %") for name, pct in figures["priority_pct"].items()]
    say(table(("PRIORITY", "SHARE"), shares))
    if figures["top_10"]:
        say()
        top = [
            (t["alarm"], t["count"], f"{t['share_pct']} %") for t in figures["top_10"]
        ]
        say(table(("ALARM", "COUNT", "SHARE"), top))
    for name in ("chattering", "stale"):
        if figures[name]:
            say(f"{name}: {', '.join(figures[name])}")
    return EXIT_WELL


def run_journal(args: argparse.Namespace) -> int:
    """Print what a walk over the chain found; exit 1 where it breaks."""
    anchors = [_anchor(text) for text in args.anchor]
    found = _read(args.state_dir, lambda reader: reader.verify_journal(anchors))
    if args.json:
        say_json(asdict(found))
        return EXIT_FINDING if found.problem else EXIT_WELL
    if found.problem:
        say(f"broken at {found.broken_seq}: {found.problem}")
    else:
        say(f"well: {found.vouched} events are as they were recorded")
    if found.dropped:
        say(f"{found.dropped} more were given up for want of room, as is on record")
    if found.before:
        say(f"{found.before} events lie before the chain: nothing vouches for them")
    for seq in found.beginnings:
        say(f"the chain begins at event {seq}")
    if found.head is not None:
        say(f"head: {found.head.seq}:{found.head.hash}")
    return EXIT_FINDING if found.problem else EXIT_WELL


def _recomputed(
    reader: BufferReader, since_ns: int | None, until_ns: int
) -> dict[str, Any]:
    """Without a time: since the first event that is recorded."""
    first_ns = reader.oldest_event_ns() or until_ns
    events = reader.events_of_kind(EventKind.ALARM)
    return recomputed(events, first_ns if since_ns is None else since_ns, until_ns)


def _anchor(text: str) -> Event:
    seq, _, digits = text.partition(":")
    if not seq.isdecimal() or len(digits) != _HEX_DIGITS:
        raise CommandError(f"{text!r} is not SEQ:HASH", EXIT_USAGE)
    details: dict[str, str | int] = {
        JOURNAL_SEQ: int(seq),
        JOURNAL_HASH: digits.lower(),
    }
    return Event(EventKind.SYSTEM, "anchor", 0, "", details=details)


def _read(state_dir: Path, work: Callable[[BufferReader], Any]) -> Any:  # noqa: ANN401 - whatever is read
    try:
        with open_reader(state_dir / "buffer.db") as reader:
            return work(reader)
    except StoreOpenError as error:
        raise CommandError(str(error)) from error
