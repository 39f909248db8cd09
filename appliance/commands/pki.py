"""`wheeltapper pki list|show|trust|reject|renew`: whom we trust, and who we are.

Works on the folder of one process's state; what runs sees a change at its next
connection, and takes a new certificate of ours into use by itself.
"""

from __future__ import annotations

import math
import socket
from argparse import ArgumentTypeError
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, say, say_json, table
from appliance.commands.exits import (
    EXIT_FINDING,
    EXIT_WELL,
    CommandError,
)
from appliance.runtime.clock import SystemClock
from appliance.runtime.files import write_whole
from appliance.runtime.pki.application import host_uri
from appliance.runtime.pki.certificate import (
    NS_PER_S,
    Certificate,
    CertificateError,
    parse_certificates,
)
from appliance.runtime.pki.expiry import ALARM_BEFORE_DAYS
from appliance.runtime.pki.folder import Kept, PkiFolder
from appliance.runtime.pki.own import VALID_DAYS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

_LONGEST_DAYS = 3650
_SHORT = 16


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser(
        "list", help="all certificates (exit 1 if one in use ends within a month)"
    )
    show = acts.add_parser("show", help="one certificate whole; default: our newest")
    show.add_argument("thumbprint", nargs="?", help="its beginning is enough")
    show.add_argument("--out", type=Path, metavar="FILE", help="write it there (DER)")
    trust = acts.add_parser("trust", help="accept a server that was refused, or a CA")
    trust.add_argument("thumbprint", metavar="THUMBPRINT|FILE")
    reject = acts.add_parser("reject", help="trust a certificate no longer")
    reject.add_argument("thumbprint")
    renew = acts.add_parser("renew", help="make a new certificate of ours")
    renew.add_argument("--days", type=_days, default=VALID_DAYS, metavar="N")
    renew.add_argument(
        "--uri", metavar="URI",
        help="of which application (default: all that are, or this machine)",
    )  # fmt: skip
    for each in (listing, show, trust, reject, renew):
        add_json(each)
        add_places(each)
        each.add_argument(
            "--pki", type=Path, metavar="DIR",
            help="the folder, if not `pki` in the state directory",
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Work on the folder."""
    folder = PkiFolder(args.pki or args.state_dir / "pki")
    with _errors_named(folder.path):
        match args.act:
            case "list":
                return _list(folder, as_json=args.json)
            case "show":
                _show(folder, args)
            case "trust":
                _trust(folder, args)
            case "reject":
                _reject(folder, args)
            case _:
                _renew(folder, args)
    return EXIT_WELL


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except CertificateError as error:
        raise CommandError(str(error)) from error
    except PermissionError as error:
        raise CommandError(
            f"{error.filename or path}: not ours to read or write; run this as root, "
            "or as the user of the process whose folder it is"
        ) from error
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror}") from error


def _list(folder: PkiFolder, *, as_json: bool) -> int:
    now_ns = SystemClock().utc_ns()
    kept = folder.kept()
    ending = [each for each in kept if _ends_soon(each, kept, now_ns)]
    if as_json:
        say_json([_described(each, now_ns) for each in kept])
    elif kept:
        rows = (
            (
                each.place,
                each.certificate.thumbprint[:_SHORT],
                each.certificate.subject,
                each.certificate.application_uri,
                _day(each.certificate.ends_ns),
                math.floor(each.certificate.days_left(now_ns)),
            )
            for each in kept
        )
        head = ("PLACE", "THUMBPRINT", "SUBJECT", "APPLICATION", "ENDS", "DAYS LEFT")
        say(table(head, rows))
    else:
        say(f"no certificate in {folder.path} yet")
    return EXIT_FINDING if ending else EXIT_WELL


def _ends_soon(each: Kept, kept: Sequence[Kept], now_ns: int) -> bool:
    """Whether a certificate that counts ends within a month, and none follows it."""
    certificate = each.certificate
    if each.place == "rejected" or certificate.days_left(now_ns) > ALARM_BEFORE_DAYS:
        return False
    return not any(
        other.place == each.place
        and other.certificate.application_uris == certificate.application_uris
        and other.certificate.ends_ns > certificate.ends_ns
        and other.certificate.days_left(now_ns) > ALARM_BEFORE_DAYS
        for other in kept
    )


def _show(folder: PkiFolder, args: argparse.Namespace) -> None:
    kept = folder.find(args.thumbprint) if args.thumbprint else _newest_own(folder)
    if args.out is not None:
        write_whole(args.out, kept.certificate.der, mode=0o644)
    described = _described(kept, SystemClock().utc_ns())
    if args.json:
        say_json(described)
        return
    for name, value in described.items():
        text = ", ".join(value) if isinstance(value, list) else value
        say(f"{name.replace('_', ' ')}: {text}")
    if args.out is not None:
        say(f"written to {args.out}")


def _trust(folder: PkiFolder, args: argparse.Namespace) -> None:
    path = Path(args.thumbprint)
    if path.is_file():
        certificates: Sequence[Certificate] = parse_certificates(path.read_bytes())
        for each in certificates:
            folder.put(each, "trusted")
    else:
        kept = folder.find(args.thumbprint, "rejected", "issuers", "trusted")
        if kept.place != "trusted":
            folder.move(kept, "trusted")
        certificates = (kept.certificate,)
    _say_done(args, "trusted", certificates, "it counts from the next connection")


def _reject(folder: PkiFolder, args: argparse.Namespace) -> None:
    kept = folder.find(args.thumbprint, "trusted", "issuers", "rejected")
    if kept.place != "rejected":
        folder.move(kept, "rejected")
    certificates = (kept.certificate,)
    _say_done(
        args, "rejected", certificates,
        "it counts from the next connection; to end one that is, restart the process",
    )  # fmt: skip


def _renew(folder: PkiFolder, args: argparse.Namespace) -> None:
    now_ns = SystemClock().utc_ns()
    own = folder.kept("own")
    uris = dict.fromkeys(each.certificate.application_uri for each in own)
    wanted = [args.uri] if args.uri else list(uris) or [host_uri(socket.gethostname())]
    made: list[Certificate] = []
    for uri in wanted:
        hosts = [socket.gethostname()]
        for each in own:
            if uri in each.certificate.application_uris:
                hosts += each.certificate.host_names
        pair = folder.renew_own(
            uri, tuple(dict.fromkeys(hosts)), now_ns=now_ns, days=args.days
        )
        made.append(pair.certificate)
    _say_done(
        args, "renewed", made,
        "let the servers trust it (wheeltapper pki show --out FILE); until they do, "
        "the one before stays in use",
    )  # fmt: skip


def _say_done(
    args: argparse.Namespace, what: str, certificates: Sequence[Certificate], then: str
) -> None:
    if args.json:
        say_json(
            [{"act": what, "thumbprint": each.thumbprint} for each in certificates]
        )
        return
    for each in certificates:
        say(f"{what} {each}: {then}")


def _newest_own(folder: PkiFolder) -> Kept:
    own = folder.kept("own")
    if not own:
        raise CertificateError(
            f"no certificate in {folder.path / 'own'} yet; one is made at the first "
            "secured connection, or by: wheeltapper pki renew"
        )
    # A certificate knows seconds only; its file knows better.
    return max(
        own,
        key=lambda each: (each.certificate.begins_ns, each.path.stat().st_mtime_ns),
    )


def _described(kept: Kept, now_ns: int) -> dict[str, Any]:
    certificate = kept.certificate
    return {
        "place": kept.place,
        "thumbprint": certificate.thumbprint,
        "sha256": certificate.sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "application_uri": certificate.application_uri,
        "host_names": list(certificate.host_names),
        "begins": _day(certificate.begins_ns),
        "ends": _day(certificate.ends_ns),
        "days_left": math.floor(certificate.days_left(now_ns)),
        "file": str(kept.path),
    }


def _day(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).date().isoformat()


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= _LONGEST_DAYS:
        raise ArgumentTypeError(f"a number above 0 and up to {_LONGEST_DAYS}")
    return days
