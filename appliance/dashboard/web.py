"""The little of HTTP/1.1 that a page on this machine needs: a request, an answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_MAX_BYTES = 8 * 1024
BODY_MAX_BYTES = 64
QUERY_MAX_FIELDS = 4
WITHIN_S = 10.0
LINGER_S, LINGER_READS = 2.0, 16
SECURITY = (
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cache-Control: no-store\r\n"
)
_PHRASES = {
    200: "OK", 204: "No Content", 303: "See Other", 400: "Bad Request",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    413: "Content Too Large", 421: "Misdirected Request", 503: "Service Unavailable",
}  # fmt: skip
_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'*+.^`|~")


class BadRequestError(Exception):
    """It is not answered but with this status."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; the names of `headers` are in lower case, `path` has no `query`."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)


async def read_request(reader: asyncio.StreamReader) -> Asked:
    """Read a request, within `WITHIN_S`.

    Raises:
        BadRequestError: It is not one, or too long, or not for this machine.
        TimeoutError: It does not come.
        ConnectionError: The other end went.
    """
    async with asyncio.timeout(WITHIN_S):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise BadRequestError(413, "the head is too long") from error
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("no whole request") from error
        asked = parse_head(head)
        length = asked.headers.get("content-length", "0")
        if "transfer-encoding" in asked.headers or not length.isdecimal():
            raise BadRequestError(400, "no length")
        if int(length) > BODY_MAX_BYTES:
            raise BadRequestError(413, "the body is too long")
        try:
            body = await reader.readexactly(int(length))
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("no whole request") from error
    return replace(asked, body=body)


def parse_head(head: bytes) -> Asked:
    """Return what a head says. Pure.

    Raises:
        BadRequestError: It is not a head of HTTP/1.1.
    """
    try:
        first, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = first.split(" ")
        path, _, query = target.partition("?")
        fields = dict(parse_qsl(query, max_num_fields=QUERY_MAX_FIELDS))
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadRequestError(400, "not a request") from error
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not path.startswith("/"):
        raise BadRequestError(400, "not a request")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or not _TOKEN.issuperset(name) or name in headers:
            raise BadRequestError(400, "not a header, or one twice")
        headers[name] = value.strip(" \t")
    return Asked(method, path, headers, query=fields)


def check_place(asked: Asked, port: int) -> None:
    """Refuse what another page has a browser send here (DNS rebinding, CSRF).

    Raises:
        BadRequestError: It names another host, or comes from another page.
    """
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if asked.headers.get("host", "").lower() not in hosts:
        raise BadRequestError(421, "this is not the host that you mean")
    origin = asked.headers.get("origin", "").lower()
    if origin and origin.removeprefix("http://") not in hosts:
        raise BadRequestError(403, "another page may not ask")
    if asked.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise BadRequestError(403, "another page may not ask")


def answer(status: int, body: bytes = b"", kind: str = "text/plain") -> bytes:
    """Return a whole answer; the connection ends with it."""
    return _answer(status, body, f"Content-Type: {kind}; charset=utf-8\r\n")


def sent_on(path: str, cookie: str) -> bytes:
    """Return an answer that sends a browser to another page, with a cookie."""
    return _answer(303, b"", f"Location: {path}\r\nSet-Cookie: {cookie}\r\n")


def _answer(status: int, body: bytes, lines: str) -> bytes:
    head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\n{SECURITY}{lines}"
    head += f"Content-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode("ascii") + body


def stream_head() -> bytes:
    """Return the head of an answer that goes on (server-sent events)."""
    head = f"HTTP/1.1 200 OK\r\n{SECURITY}Content-Type: text/event-stream\r\n"
    return f"{head}Connection: close\r\n\r\n".encode("ascii")


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send what is written, and take what still comes, for a while.

    To close while something is unread resets the connection: the answer would be lost.
    """
    async with asyncio.timeout(LINGER_S):
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        for _ in range(LINGER_READS):
            if not await reader.read(HEAD_MAX_BYTES):
                return


def event(name: str, content: str = "") -> bytes:
    """Return a server-sent event; the content has no line breaks."""
    return f"event: {name}\ndata: {content}\n\n".encode()
