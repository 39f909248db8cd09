"""Stop listening without losing the connection that was just accepted."""

from __future__ import annotations

import asyncio

_TURNS = 4  # of the loop, from the accepted socket to its protocol and its task


async def stop_listening(server: asyncio.Server) -> None:
    """Accept nothing more, let what was accepted reach its protocol, and close.

    Before Python 3.12 asyncio drops, unclosed, a connection that was accepted but
    not yet given to its protocol when the listener closes (CPython issue 109564).
    """
    loop = asyncio.get_running_loop()
    try:
        for listener in server.sockets:
            loop.remove_reader(listener.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
    finally:
        server.close()
