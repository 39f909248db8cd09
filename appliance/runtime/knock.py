"""Who is there, if not whom we wanted: for one clear error to a person.

Asked only after a protocol has failed, because a device may bear few connections.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

_ENOUGH_BYTES = 64
_SIGNS = {
    b"HTTP/": "an HTTP server answers there",
    b"SSH-": "an SSH server answers there",
    b"\x15\x03": "it speaks TLS",
    b"\x16\x03": "it speaks TLS",
}
_END_OF_LINE = b"\r\n\r\n"
"""Moves a server that reads lines to say what it is."""


async def knock(host: str, port: int, opening: bytes, *, within_s: float) -> str:
    """Return in words why nobody we know answers, empty if somebody may.

    `opening` is what our protocol says first; an answer that is no sign of another
    protocol may be right.
    """
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host, port)
    except socket.gaierror:
        return f"no host is called {host!r}; correct it, or give the address"
    except ConnectionRefusedError:
        return (
            f"nothing listens on port {port} of {host}; is the device on, and is it "
            "that port?"
        )
    except TimeoutError:
        return (
            f"no answer from {host} within {within_s:g} s; is the address right, and "
            "does every firewall let it pass?"
        )
    except OSError as error:
        return f"{host}: {error.strerror or error}"
    try:
        return await _heard(reader, writer, opening, within_s)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _heard(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    opening: bytes,
    within_s: float,
) -> str:
    for words in (opening, _END_OF_LINE):
        try:
            writer.write(words)
            async with asyncio.timeout(within_s):
                answer = await reader.read(_ENOUGH_BYTES)
        except TimeoutError:
            continue
        except OSError:
            answer = b""
        if not answer:
            return (
                "it hangs up at once; it is another service (TLS?), or bears no more "
                "connections"
            )
        signs = (words for sign, words in _SIGNS.items() if answer.startswith(sign))
        return next(signs, "")
    return (
        "it takes the connection and then says nothing; it is another service, or it "
        "hangs"
    )
