"""Out through an HTTP proxy: CONNECT (RFC 9110, 9.3.6), with basic authentication."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.sync.errors import UplinkBusyError, UplinkLostError, UplinkRefusedError

if TYPE_CHECKING:
    import socket

ANSWER_MAX_BYTES = 16_384
_END = b"\r\n\r\n"
_GRANTED = range(200, 300)
_AUTHENTICATE = 407
_REMEDIES = {
    _AUTHENTICATE: "check username and password_file of [uplink.proxy]",
    403: "let the proxy permit CONNECT to the broker's host and port",
    405: "it knows no CONNECT: is this an HTTP proxy?",
    400: "it knows no CONNECT: is this an HTTP proxy?",
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the proxy is, and who we are to it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def ask_tunnel(raw: socket.socket, proxy: Proxy, *, host: str, port: int) -> None:
    """Ask the proxy at the other end of `raw` for a tunnel; return when there is one.

    Nothing of what follows its answer is read.

    Raises:
        UplinkLostError: It does not grant one; the words say why.
        OSError: The connection to it was lost.
    """
    raw.sendall(request_of(proxy, host=host, port=port))
    where = f"the proxy {proxy.host}:{proxy.port}"
    check_answer(_answer(raw, where), where)


def request_of(proxy: Proxy, *, host: str, port: int) -> bytes:
    """Return the request."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        pair = f"{proxy.username}:{proxy.password or ''}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    return "\r\n".join((*lines, "", "")).encode()


def check_answer(head: bytes, where: str) -> None:
    """Return if the head of an answer grants the tunnel.

    Raises:
        UplinkLostError: It does not, or is no HTTP.
    """
    status_line = head.partition(b"\r\n")[0].decode("latin-1")
    version, _, rest = status_line.partition(" ")
    code = 0
    with contextlib.suppress(ValueError):
        code = int(rest[:3])
    if not version.startswith("HTTP/1.") or not code:
        raise UplinkRefusedError(
            f"{where} does not speak HTTP; check host and port of [uplink.proxy]"
        )
    if code in _GRANTED:
        return
    remedy = _REMEDIES.get(code)
    said = f"{where} grants no tunnel: {rest[:80].strip()}"
    if remedy is None:  # 502, 503, 504: the broker is away behind it
        raise UplinkBusyError(said)
    raise UplinkRefusedError(f"{said}; {remedy}")


def _answer(raw: socket.socket, where: str) -> bytes:
    """Return the head of the answer, read byte by byte: what follows is not ours."""
    head = bytearray()
    while not head.endswith(_END):
        byte = raw.recv(1)
        if not byte:
            raise UplinkLostError(f"{where} hung up before it answered")
        head += byte
        if len(head) > ANSWER_MAX_BYTES:
            raise UplinkRefusedError(f"{where} answers without end; is this a proxy?")
    return bytes(head)
