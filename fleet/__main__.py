"""`python -m fleet ingest|report|train|release|broker`; `wheeltapper fleet …`."""

from __future__ import annotations

import argparse
import logging
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from appliance.runtime import logs
from appliance.runtime.clock import SystemClock
from fleet.broker import BrokerError, run_broker
from fleet.commands import (
    RefusedError,
    add_trend,
    add_way_back,
    run_release,
    run_train,
    tell_models,
    tell_trends,
)
from fleet.lake import Lake, open_lake
from fleet.parts import LakeError
from fleet.report import Report, lines_of, report_of
from fleet.service import run_ingest
from fleet.subscriber import Broker

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

EXIT_WELL, EXIT_FINDING, EXIT_USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 well, 1 a finding, 2 usage."""
    args = _parser().parse_args(argv)
    logs.configure(f"fleet {args.command}")
    try:
        match args.command:
            case "ingest":
                run_ingest(args.lake, _broker(args), clock=SystemClock())
            case "broker":
                run_broker(args.port, kind=args.kind, keep_in=args.dir)
            case "train":
                run_train(args)
            case "release":
                run_release(args)
            case _:
                return _report(args)
    except (LakeError, BrokerError, RefusedError) as error:
        log.error("%s", error)  # noqa: TRY400 - told to a person, who has no use for a trace
        return EXIT_FINDING
    except (OSError, ssl.SSLError) as error:
        log.error("%s", error)  # noqa: TRY400 - as above
        return EXIT_USAGE
    return EXIT_WELL


def _report(args: argparse.Namespace) -> int:
    with open_lake(args.lake) as lake:
        if args.trend:
            tell_trends(lake, args)
            return EXIT_WELL
        if args.models:
            tell_models(lake, args)
            return EXIT_WELL
        report = _settled_report(lake)
    if args.json:
        text = msgspec.json.format(msgspec.json.encode(report)).decode()
    else:
        text = "\n".join(lines_of(report, completeness=args.completeness))
    sys.stdout.write(text + "\n")
    if args.completeness and not report.complete:
        return EXIT_FINDING
    return EXIT_WELL


def _settled_report(lake: Lake) -> Report:
    """Ask twice where an ingest beside us has just put parts together."""
    try:
        return report_of(lake)
    except LakeError:
        lake.refresh()
        return report_of(lake)


def _broker(args: argparse.Namespace) -> Broker:
    host, _, port = args.broker.rpartition(":")
    password = None
    if args.password_file is not None:
        password = args.password_file.read_text(encoding="utf-8").partition("\n")[0]
    return Broker(
        host=host.strip("[]"),
        port=int(port),
        client_id=args.client_id,
        tls=_tls(args),
        username=args.username,
        password=password,
    )


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if not args.tls:
        return None
    context = ssl.create_default_context(cafile=args.ca)
    if args.certificate is not None:
        context.load_cert_chain(args.certificate, args.key)
    return context


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ingest = commands.add_parser("ingest", help="take rows from MQTT into a lake")
    ingest.add_argument("--broker", required=True, type=_address, metavar="HOST:PORT")
    ingest.add_argument("--lake", required=True, type=Path, metavar="DIR")
    ingest.add_argument("--client-id", default="wheeltapper-ingest")
    ingest.add_argument("--tls", action="store_true")
    ingest.add_argument("--ca", type=Path, metavar="FILE")
    ingest.add_argument("--certificate", type=Path, metavar="FILE")
    ingest.add_argument("--key", type=Path, metavar="FILE")
    ingest.add_argument("--username")
    ingest.add_argument("--password-file", type=Path, metavar="FILE")
    report = commands.add_parser("report", help="what a lake holds")
    report.add_argument("--lake", required=True, type=Path, metavar="DIR")
    report.add_argument("--completeness", action="store_true")
    report.add_argument("--json", action="store_true")
    add_trend(report)
    add_way_back(commands)
    broker = commands.add_parser("broker", help="an MQTT broker on loopback")
    broker.add_argument("--port", type=int, default=0)
    broker.add_argument("--kind", choices=("mosquitto", "amqtt"))
    broker.add_argument("--dir", type=Path, help="keep sessions over a restart")
    return parser


if __name__ == "__main__":
    sys.exit(main())
