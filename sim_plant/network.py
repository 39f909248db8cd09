"""Faults of the wire: a relay before a server that can refuse, drop or swallow traffic.

Protocol-blind, so it fails every server alike and the way a network does: the server
behind it never learns. It stands in the way only where a scenario plans link faults.
`toxics` lists what else it can do to the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Self

from sim_plant.listening import stop_listening
from sim_plant.toxics import (
    HalfOpen,
    HungUpError,
    Line,
    Slicer,
    SlowClose,
    Toxic,
    pieces,
)

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK_BYTES = 64 * 1024
_CHUNKS_UNDER_WAY = 256


class LinkMode(StrEnum):
    """How a link fails."""

    REFUSE = "refuse"  # nobody listens: connections are refused, open ones cut
    DROP = "drop"  # the call is answered and hung up at once, open ones cut
    HANG = "hang"  # connections stand and are answered, bytes go nowhere


class Direction(StrEnum):
    """Which way bytes flow."""

    UP = "up"  # from the caller to the server
    DOWN = "down"  # from the server to the caller


@dataclass(eq=False)
class _Call:
    """One caller and the server's end of it."""

    near: asyncio.StreamWriter
    lines: dict[Direction, Line]
    far: asyncio.StreamWriter | None = None
    dead: bool = False
    """The server's end is gone and the caller does not know."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        """Hang up both ends, hard."""
        self.near.transport.abort()
        if self.far is not None:
            self.far.transport.abort()
        self.over.set()


class Relay:
    """Carries bytes between a public port and a server, until told to fail.

    The same `seed` and the same bytes give the same faults, call by call.
    """

    def __init__(
        self, host: str, public_port: int, *, server_port: int, seed: int = 0
    ) -> None:
        self.port = public_port
        self.server_port = server_port
        self._host = host
        self._seed = seed
        self._listener: asyncio.Server | None = None
        self._mode: LinkMode | None = None
        self._whole = asyncio.Event()
        self._whole.set()
        self._toxics: list[tuple[Toxic, frozenset[Direction]]] = []
        self._calls: set[_Call] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.calls_answered = 0

    async def __aenter__(self) -> Self:
        """Begin to listen; a public port of 0 becomes the port in use."""
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening, hang up, and wait until every call has ended."""
        await self._close_listener()
        self._whole.set()
        self._cut()
        await self._idle.wait()

    @property
    def calls_open(self) -> int:
        """How many callers are connected now."""
        return len(self._calls)

    async def fail(self, mode: LinkMode) -> None:
        """Let the link fail until `restore`."""
        self._mode = mode
        match mode:
            case LinkMode.REFUSE:
                await self._close_listener()
                self._cut()
            case LinkMode.DROP:
                self._cut()
            case LinkMode.HANG:
                self._whole.clear()

    async def restore(self) -> None:
        """Make the link whole: held bytes flow again, a closed port listens."""
        self._mode = None
        self._whole.set()
        self.clear()
        if self._listener is None:
            await self._listen()

    def add(self, toxic: Toxic, direction: Direction | None = None) -> None:
        """Let a toxic work on every chunk from now on, both ways if not told which."""
        if isinstance(toxic, HalfOpen):
            for call in self._calls:
                self._kill(call)
            return
        ways = frozenset(Direction if direction is None else {direction})
        self._toxics.append((toxic, ways))

    def clear(self) -> None:
        """Take every toxic away; calls whose bytes were swallowed are cut."""
        self._toxics.clear()
        for call in tuple(self._calls):
            if any(line.swallowed for line in call.lines.values()):
                call.cut()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._call, self._host, self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _close_listener(self) -> None:
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await stop_listening(listener)

    def _cut(self) -> None:
        for call in tuple(self._calls):
            call.cut()

    def _kill(self, call: _Call) -> None:
        """Take the server's end away, and let the caller believe in it."""
        call.dead = True
        if call.far is not None:
            call.far.transport.abort()

    async def _call(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one caller for as long as both ends stay."""
        self.calls_answered += 1
        number = self.calls_answered
        lines = {way: Line(Random(f"{self._seed}/{number}/{way}")) for way in Direction}
        call = _Call(writer, lines)
        self._idle.clear()
        self._calls.add(call)
        try:
            if self._mode is not LinkMode.DROP:
                # A peer that goes away is what this relay is for.
                with contextlib.suppress(OSError):
                    await self._carry(reader, call)
        finally:
            call.cut()
            self._calls.discard(call)
            if not self._calls:
                self._idle.set()

    async def _carry(self, reader: asyncio.StreamReader, call: _Call) -> None:
        far_reader, call.far = await asyncio.open_connection(
            self._host, self.server_port
        )
        async with asyncio.TaskGroup() as tasks:
            up, down = (
                tasks.create_task(
                    self._pump(source, call, way), name=f"sim_plant.relay.{way}"
                )
                for way, source in (
                    (Direction.UP, reader),
                    (Direction.DOWN, far_reader),
                )
            )
            await call.over.wait()
            up.cancel()
            down.cancel()

    async def _pump(
        self, reader: asyncio.StreamReader, call: _Call, way: Direction
    ) -> None:
        """Carry one direction; its end hangs up the other end too."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_UNDER_WAY)
        try:
            async with asyncio.TaskGroup() as tasks:
                receiving = tasks.create_task(
                    self._receive(reader, under_way), name="sim_plant.relay.receive"
                )
                await self._send(under_way, call, way)
                receiving.cancel()
        except* (OSError, HungUpError):
            pass
        if call.dead and way is Direction.DOWN:
            return  # the caller is not to notice
        for toxic in self._working(way):
            if isinstance(toxic, SlowClose):
                await asyncio.sleep(toxic.delay_s)
        call.cut()

    async def _receive(
        self,
        reader: asyncio.StreamReader,
        under_way: asyncio.Queue[tuple[float, bytes]],
    ) -> None:
        loop = asyncio.get_running_loop()
        chunk = b"-"
        while chunk:
            chunk = await reader.read(_CHUNK_BYTES)
            await under_way.put((loop.time(), chunk))

    async def _send(
        self,
        under_way: asyncio.Queue[tuple[float, bytes]],
        call: _Call,
        way: Direction,
    ) -> None:
        """Send what arrives on, until the other side has hung up."""
        line = call.lines[way]
        while True:
            arrived_s, chunk = await under_way.get()
            if not chunk:
                return
            toxics = self._working(way)
            if toxics:
                chunk = await line.through(chunk, toxics, arrived_s=arrived_s)
            await self._whole.wait()
            await self._write(chunk, call, way, toxics=toxics)

    async def _write(
        self, chunk: bytes, call: _Call, way: Direction, *, toxics: tuple[Toxic, ...]
    ) -> None:
        if call.dead:
            return  # nobody is there to hear it
        writer = call.far if way is Direction.UP else call.near
        assert writer is not None
        slicers = [toxic for toxic in toxics if isinstance(toxic, Slicer)]
        if not slicers:
            writer.write(chunk)
            await writer.drain()
            return
        for piece in pieces(chunk, slicers[0], call.lines[way].random):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(slicers[0].delay_s)

    def _working(self, way: Direction) -> tuple[Toxic, ...]:
        return tuple(toxic for toxic, ways in self._toxics if way in ways)
