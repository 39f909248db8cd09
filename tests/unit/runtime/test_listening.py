"""A listener that closes keeps the connection that it has just accepted."""

from __future__ import annotations

import asyncio
import gc
import socket

from appliance.runtime.listening import stop_listening


async def test_a_connection_accepted_while_the_listener_closes_is_served() -> None:
    met = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.socket() as caller:
        caller.connect(("127.0.0.1", port))
        await asyncio.sleep(0)  # the loop accepts, and has not yet told the protocol
        await asyncio.sleep(0)
        await stop_listening(server)
        async with asyncio.timeout(30):
            await met.wait()
    gc.collect()  # an unclosed transport would speak up here
    assert not server.is_serving()


async def test_a_listener_may_be_stopped_twice() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    await stop_listening(server)
    await stop_listening(server)
    assert not server.is_serving()
