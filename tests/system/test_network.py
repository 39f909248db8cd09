"""The fault proxy between a real client and a real server."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.runtime.listening import stop_listening
from sim_plant.network import Direction, Relay
from sim_plant.toxics import (
    Blackhole,
    Garbling,
    HalfOpen,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.system

LOOPBACK = "127.0.0.1"
SOON_S = 60.0


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Say back what is heard; yields the port, and what is set when a call ends."""
    gone = asyncio.Event()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while heard := await reader.read(1000):
                writer.write(heard)
                await writer.drain()
        writer.close()
        gone.set()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1], gone
    finally:
        await stop_listening(server)


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Relay, asyncio.Event]]:
    async with echo() as (port, gone), Relay(LOOPBACK, 0, server_port=port) as relay:
        yield relay, gone


@asynccontextmanager
async def call(
    relay: Relay,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(SOON_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, relay.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def said_back(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes
) -> bytes:
    writer.write(said)
    return await reader.readexactly(len(said))


async def hears_nothing(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def hung_up(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


async def test_a_half_open_call_is_dead_and_does_not_know() -> None:
    async with relayed() as (relay, gone), call(relay) as (reader, writer):
        assert await said_back(reader, writer, b"tap") == b"tap"
        relay.add(HalfOpen())
        await gone.wait()
        writer.write(b"tap")
        assert await hears_nothing(reader)
        async with call(relay) as (anew, again):
            assert await said_back(anew, again, b"tap") == b"tap"


async def test_a_black_hole_answers_calls_and_swallows_until_it_is_taken_away() -> None:
    async with relayed() as (relay, _), call(relay) as (reader, writer):
        relay.add(Blackhole())
        writer.write(b"tap")
        async with call(relay) as (other, _unused):
            assert await hears_nothing(other)
        relay.clear()
        assert await hung_up(reader)
        async with call(relay) as (anew, again):
            assert await said_back(anew, again, b"tap") == b"tap"


async def test_a_reset_ends_calls_at_their_next_bytes() -> None:
    async with relayed() as (relay, _), call(relay) as (reader, writer):
        relay.add(ResetPeer())
        writer.write(b"tap")
        assert await hung_up(reader)


async def test_data_beyond_the_limit_never_comes() -> None:
    async with relayed() as (relay, _), call(relay) as (reader, writer):
        relay.add(LimitData(4), Direction.DOWN)
        writer.write(b"tapping")
        assert await reader.readexactly(4) == b"tapp"
        writer.write(b"more")
        assert await hung_up(reader)


async def test_slices_and_delays_change_no_byte() -> None:
    text = bytes(range(256)) * 8
    async with relayed() as (relay, _), call(relay) as (reader, writer):
        relay.add(Slicer(100))
        relay.add(Latency(0.01, 0.005))
        assert await said_back(reader, writer, text) == text


async def test_garbling_works_in_the_direction_it_is_told() -> None:
    async with relayed() as (relay, _), call(relay) as (reader, writer):
        relay.add(Garbling(), Direction.UP)
        assert await said_back(reader, writer, b"tap") != b"tap"
        relay.clear()
        assert await said_back(reader, writer, b"tap") == b"tap"


async def test_a_slow_close_is_heard_in_the_end() -> None:
    async with relayed() as (relay, gone), call(relay) as (reader, writer):
        assert await said_back(reader, writer, b"tap") == b"tap"
        relay.add(SlowClose(0.05))
        writer.close()
        await gone.wait()


async def test_the_calls_are_counted() -> None:
    async with relayed() as (relay, _):
        async with call(relay) as (reader, writer):
            assert await said_back(reader, writer, b"tap") == b"tap"
            assert (relay.calls_answered, relay.calls_open) == (1, 1)
        async with call(relay) as (reader, writer):
            assert await said_back(reader, writer, b"tap") == b"tap"
            assert relay.calls_answered == 2
