"""`wheeltapper discover opcua URL`: what a server offers, as tags to take."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from appliance.domain.commissioning import Exploration
from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.knock import knock
from appliance.runtime.pki.folder import PkiFolder, default_pki
from connectors.opcua.browse import OBJECTS, Wish, walk
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.connection import Connection
from connectors.opcua.describing import describe
from connectors.opcua.draft import declares_a_tag, draft
from connectors.opcua.endpoints import endpoints_of
from connectors.opcua.limits import read_limits
from connectors.opcua.nodes import node_id_of
from connectors.opcua.offers import best_of, offer_of, security_keys
from connectors.opcua.semantics import read_namespaces
from connectors.opcua.services import Services

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from appliance.domain.ports import Clock
    from connectors.opcua.describing import Variable
    from connectors.opcua.offers import Offer

_PORT = 4840
_HELLO = b"HELF" + (32).to_bytes(4, "little") + bytes(20) + b"\xff\xff\xff\xff"
_TEXTS = ("user", "application_uri")
_FILES = (
    "password_file", "certificate", "private_key", "user_certificate",
    "user_private_key", "server_certificate", "pki",
)  # fmt: skip


class OpcuaExplorer:
    """Asks a server what it offers, enters if it may, and browses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what it wants to know on the command line."""
        add = parser.add_argument
        add("url", metavar="URL", help="opc.tcp://host:4840/")
        add("--match", action="append", default=[], metavar="GLOB",
            help="only tags of such names, 'P-101/*' (again for more)")  # fmt: skip
        add("--root", metavar="NODE", help="browse below nsu=URI;s=NAME, not Objects")
        add("--max-nodes", type=int, default=10_000, metavar="N",
            help="at most so many variables (default %(default)s)")  # fmt: skip
        add("--max-depth", type=int, default=20, metavar="N",
            help="at most so many levels (default %(default)s)")  # fmt: skip
        add("--timeout", type=float, default=5.0, metavar="S",
            help="patience with one answer (default %(default)s)")  # fmt: skip
        add("--source", default="plant", metavar="NAME",
            help="the source's name (default %(default)s)")  # fmt: skip
        add("--policy", help="enter by this one, not the safest on offer (or: none)")
        add("--mode", choices=("Sign", "SignAndEncrypt"), default=None)
        for name in _TEXTS:
            add(f"--{name.replace('_', '-')}", metavar="TEXT")
        for name in _FILES:
            add(f"--{name.replace('_', '-')}", type=Path, metavar="PATH")

    async def explore(self, args: Namespace) -> Exploration:
        """Look at the endpoints, and browse as far as we are let in.

        Raises:
            SourceUnavailableError: Nobody answers, or not as an OPC UA server.
            ValueError: The arguments contradict each other.
        """
        offers = await self._offers(args)
        chosen = _chosen(offers, args)
        security = _security(chosen, args)
        settings = OpcuaSettings.model_validate(
            _source_keys(args) | {"security": security, "timeout_s": args.timeout}
        )
        notes = _about(chosen, offers)
        found: list[Variable] = []
        try:
            found, more = await self._browse(settings, args)
            notes += more
        except SourceUnavailableError as error:
            notes.append(f"not let in, so nothing was browsed: {error}")
            if "user" in security and args.user is None:
                notes.append("say who we are: --user NAME --password-file FILE")
        rows = (*(each.row() for each in offers), *(each.row() for each in found))
        remarks = _remarks(chosen, security)
        toml = draft(_source_keys(args), security, found, remarks)
        count = sum(declares_a_tag(each) for each in found)
        return Exploration(rows, toml, tuple(notes), tag_count=count)

    async def _offers(self, args: Namespace) -> list[Offer]:
        if not args.url.startswith("opc.tcp://"):
            raise ValueError(f"{args.url!r}: write opc.tcp://HOST:PORT/")
        OpcuaSettings.model_validate(
            _source_keys(args)
            | {"security": {"policy": "none", "allow_insecure": True}}
        )
        try:
            async with asyncio.timeout(2 * args.timeout):
                found, _ = await endpoints_of(args.url, timeout_s=args.timeout)
        except Exception as error:  # asyncua's parser raises almost anything
            raise SourceUnavailableError(await _why(args, error)) from error
        folder = PkiFolder(args.pki or default_pki())
        trust = await asyncio.to_thread(folder.trust)
        host, now_ns = urlsplit(args.url).hostname, self._clock.utc_ns()
        return [offer_of(each, trust, host=host, now_ns=now_ns) for each in found]

    async def _browse(
        self, settings: OpcuaSettings, args: Namespace
    ) -> tuple[list[Variable], list[str]]:
        connection = await Connection.connect(settings, self._clock)
        try:
            services = Services(connection, await read_limits(connection))
            uris = await read_namespaces(services)
            root = OBJECTS if args.root is None else node_id_of(args.root, uris)
            if root is None:
                known = ", ".join(uris)
                return [], [f"--root: no such namespace; the server has {known}"]
            wish = Wish(
                args.source,
                tuple(args.match),
                most=args.max_nodes,
                deepest=args.max_depth,
            )
            found = await walk(services, root, wish)
            notes = found.notes
            if not found.variables:
                which = "that match" if args.match else "below that node"
                notes.append(f"no variables {which} ({found.visited} nodes seen)")
            return await describe(services, found.variables, uris), notes
        finally:
            await connection.leave()


async def _why(args: Namespace, error: Exception) -> str:
    """Return in words why a server did not say what it offers."""
    place = urlsplit(args.url)
    host, port = place.hostname or "", place.port or _PORT
    heard = await knock(host, port, _HELLO, within_s=min(args.timeout, 2.0))
    reason = heard or str(error) or type(error).__name__
    advice = ", not OPC UA" if "answers there" in heard or "TLS" in heard else ""
    return f"{args.url}: {reason}{advice}"


def _chosen(offers: list[Offer], args: Namespace) -> Offer:
    wanted = [
        each
        for each in offers
        if args.policy in (None, each.policy) and args.mode in (None, each.mode)
    ]
    chosen = best_of(wanted)
    if chosen is None:
        kinds = ", ".join(f"{each.policy} {each.mode}" for each in offers)
        raise SourceUnavailableError(
            f"{args.url}: no endpoint that we can use; it offers {kinds or 'none'}"
        )
    return chosen


def _source_keys(args: Namespace) -> dict[str, Any]:
    keys = {"name": args.source, "connector": "opcua", "url": args.url}
    if args.application_uri is not None:
        keys["application_uri"] = args.application_uri
    return keys


def _security(chosen: Offer, args: Namespace) -> dict[str, object]:
    """Return the keys of `security`: what the endpoint needs, and what was given."""
    given = {name: getattr(args, name) for name in ("user", *_FILES)}
    keys = {
        name: str(content) for name, content in given.items() if content is not None
    }
    needed = security_keys(chosen, args.source)
    if "user" in keys or "user_certificate" in keys:
        channel = ("policy", "mode", "allow_insecure")
        needed = {name: needed[name] for name in channel if name in needed}
    return needed | keys


def _about(chosen: Offer, offers: list[Offer]) -> list[str]:
    notes: list[str] = []
    if chosen.policy == "none":
        others = any(each.policy != "none" and each.is_usable for each in offers)
        notes.append(
            "without security anybody on the network can read along and pretend to be "
            "the server; "
            + ("it offers better: leave out --policy" if others else "it has no better")
        )
    if chosen.against:
        notes.append(
            f"its certificate does not hold: {'; '.join(chosen.against)}. "
            f"{chosen.remedy}"
        )
    return notes


def _remarks(chosen: Offer, security: dict[str, object]) -> list[str]:
    if chosen.policy == "none":
        return ["Protects nothing; only on a network that you trust."]
    certificate = chosen.certificate
    remarks = [f"The server's certificate: {certificate}"] if certificate else []
    if "allow_anonymous" in security and "user name" in chosen.users:
        remarks.append("It knows users too: user = …, password_file = …, are better.")
    return remarks
