"""`wheeltapper uplink`: what leaves this site, when, why, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from appliance.commands.common import (
    add_config,
    add_json,
    add_places,
    ask,
    configuration,
    say,
    say_json,
    table,
)
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL, CommandError
from appliance.commands.learn import when_ns
from appliance.commands.uplink_cost import Cost, cost_of
from appliance.commands.uplink_preview import Preview, preview
from appliance.runtime.clock import SystemClock
from appliance.runtime.durations import DurationError, seconds
from appliance.storage.connection import StoreOpenError
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    import argparse

    from appliance.config import UplinkSettings

_HOUR_S, _MINUTE_S = 3600.0, 60.0


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    status = acts.add_parser("status", help="backlog, time to drain, link, budgets")
    shown = acts.add_parser("preview", help="exactly what would be sent next, and why")
    shown.add_argument("--rows", type=int, default=5, help="rows shown per stream")
    cost = acts.add_parser("cost", help="bytes sent, against sending everything")
    cost.add_argument(
        "--last", default="60m", metavar="TIME", help="over this time (default 60m)"
    )
    flush = acts.add_parser("flush", help="send now what waits for company")
    raw = acts.add_parser("request-raw", help="send stored raw values, within budget")
    raw.add_argument("tag", metavar="TAG")
    raw.add_argument("--from", dest="since", required=True, metavar="TIME")
    raw.add_argument("--to", dest="until", default="0s", metavar="TIME")
    for each in (status, shown, cost, flush, raw):
        add_config(each)
        add_json(each)
        add_places(each)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    settings = configuration(args.config).uplink
    if settings is None:
        said = "no [uplink] in the configuration: nothing leaves this gateway"
        raise CommandError(said)
    match args.act:
        case "status":
            return _status(args)
        case "preview":
            return _preview(args, settings)
        case "cost":
            return _cost(args)
        case "flush":
            ask(args.run_dir / "hub.sock", "uplink.flush")
            say_json({"flushed": True}) if args.json else say("it is asked for")
            return EXIT_WELL
        case _:
            return _request(args)


def _sync_of(status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = status["processes"].get("sync", {})
    return found


def _status(args: argparse.Namespace) -> int:
    hub = args.run_dir / "hub.sock"
    sync = _sync_of(ask(hub, "status"))
    outbox: dict[str, dict[str, Any]] = ask(hub, "outbox.status")
    link: dict[str, Any] = dict(sync.get("link", {}))
    link.pop("minutes", None)
    if args.json:
        say_json({"sync": {**sync, "link": link}, "outbox": outbox})
        return EXIT_WELL if sync else EXIT_FINDING
    if not sync:
        say("sync has not reported to the hub: is it running?")
        return EXIT_FINDING
    say(
        table(
            ("UPLINK", ""),
            (
                ("state", sync["uplink"]),
                ("acknowledged by", sync["acknowledged_by"]),
                ("waits for", link.get("waits_for") or "-"),
                ("backlog", f"{sync.get('backlog_bytes', 0)} bytes in the outbox"),
                ("drained in", _length(sync.get("drain_s"))),
                ("summaries merged to", _merging(sync)),
                ("round trip", _text(link.get("rtt_s"), "{:.3f} s")),
                ("throughput", _text(link.get("bytes_per_s"), "{:.0f} bytes/s")),
                ("link is up", _text(link.get("duty"), "{:.1%} of the time")),
                ("sent today", f"{link.get('day_bytes', 0)} bytes"),
            ),
        )
    )
    say("")
    rows = ((n, s["pending"], s["pending_bytes"], s["delivered"], s["declared_gaps"])
            for n, s in outbox.items())  # fmt: skip
    say(table(("STREAM", "PENDING", "BYTES", "DELIVERED", "DECLARED GAPS"), rows))
    return EXIT_WELL


def _preview(args: argparse.Namespace, settings: UplinkSettings) -> int:
    hub = args.run_dir / "hub.sock"
    status = ask(hub, "status")
    outbox = ask(hub, "outbox.status")
    limit = 1000
    rows = {
        stream: ask(hub, "outbox.read", stream=str(stream), after=0, limit=limit)
        for stream in Stream
    }
    found = preview(settings, _sync_of(status), outbox, read=rows)
    if args.json:
        say_json(msgspec.to_builtins(found, builtin_types=(bytes,)))
        return EXIT_WELL
    for each in found:
        _show(each, args.rows)
    return EXIT_WELL


def _show(each: Preview, rows_max: int) -> None:
    say(f"{each.stream}: {each.pending} rows wait; {each.why}")
    for payload in each.payloads:
        say(
            f"    payload of {payload.bytes} bytes to {payload.topic}:"
            f" numbers {payload.first} to {payload.last}"
        )
        for row in payload.rows[:rows_max]:
            say(f"        {row}")
        if len(payload.rows) > rows_max:
            say(f"        and {len(payload.rows) - rows_max} more rows")


def _cost(args: argparse.Namespace) -> int:
    try:
        last_s = seconds(args.last)
    except DurationError as error:
        raise CommandError(str(error)) from error
    sync = _sync_of(ask(args.run_dir / "hub.sock", "status"))
    now_ns = SystemClock().utc_ns()
    try:
        found = cost_of(
            args.state_dir / "buffer.db", sync, now_ns=now_ns, last_s=last_s
        )
    except StoreOpenError as error:
        raise CommandError(str(error)) from error
    if args.json:
        say_json(msgspec.to_builtins(found))
    else:
        _tell_cost(found)
    return EXIT_WELL


def _tell_cost(cost: Cost) -> None:
    say(
        table(
            ("OVER", "SECONDS", "RAW BYTES", "SENT BYTES", "SHARE", "SAVED BYTES"),
            (
                (name, f"{part.seconds:.0f}", part.raw_bytes, part.sent_bytes,
                 _text(part.share, "{:.2%}"), part.raw_bytes - part.sent_bytes)
                for name, part in (("last", cost.last), ("all", cost.total))
            ),
        )
    )  # fmt: skip
    say("raw: 17 bytes a sample, 4 a point of a waveform; sent: MQTT, before TLS")


def _request(args: argparse.Namespace) -> int:
    now_ns = SystemClock().utc_ns()
    found = ask(
        args.run_dir / "hub.sock",
        "uplink.request_raw",
        tag=args.tag,
        from_ns=when_ns(args.since, now_ns),
        to_ns=when_ns(args.until, now_ns),
    )
    if args.json:
        say_json(found)
    else:
        say(f"{found['points']} values of {args.tag} will be sent: {found['bytes']} B")
    return EXIT_WELL if found["points"] else EXIT_FINDING


def _merging(sync: dict[str, Any]) -> str:
    period_s = float(sync.get("merging_to_s", 0.0))
    return _length(period_s) if period_s else "-"


def _length(length_s: float | None) -> str:
    if length_s is None:
        return "not known yet"
    if length_s >= _HOUR_S:
        return f"{length_s / _HOUR_S:.1f} h"
    return (
        f"{length_s / _MINUTE_S:.1f} min"
        if length_s >= _MINUTE_S
        else f"{length_s:.0f} s"
    )


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
