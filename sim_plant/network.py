"""Faults of the wire: a relay before a server that can refuse, drop or swallow traffic.

Protocol-blind, so it fails both servers alike and the way a network does: the server
behind it never learns. It stands in the way only where a scenario plans link faults.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK_BYTES = 64 * 1024


class LinkMode(StrEnum):
    """How a link fails."""

    REFUSE = "refuse"  # nobody listens: connections are refused, open ones cut
    DROP = "drop"  # the call is answered and hung up at once, open ones cut
    HANG = "hang"  # connections stand and are answered, bytes go nowhere


class Relay:
    """Carries bytes between a public port and a server, until told to fail."""

    def __init__(self, host: str, public_port: int, *, server_port: int) -> None:
        self.port = public_port
        self._host = host
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._mode: LinkMode | None = None
        self._whole = asyncio.Event()
        self._whole.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = 0

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
        self._close_listener()
        self._whole.set()
        self._cut()
        await self._idle.wait()

    async def fail(self, mode: LinkMode) -> None:
        """Let the link fail until `restore`."""
        self._mode = mode
        match mode:
            case LinkMode.REFUSE:
                self._close_listener()
                self._cut()
            case LinkMode.DROP:
                self._cut()
            case LinkMode.HANG:
                self._whole.clear()

    async def restore(self) -> None:
        """Make the link whole: held bytes flow again, a closed port listens."""
        self._mode = None
        self._whole.set()
        if self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._call, self._host, self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _cut(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _call(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one caller for as long as both ends stay."""
        self._calls += 1
        self._idle.clear()
        self._open.add(writer)
        try:
            if self._mode is not LinkMode.DROP:
                # A peer that goes away is what this relay is for.
                with contextlib.suppress(OSError):
                    await self._carry(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()
            self._calls -= 1
            if self._calls == 0:
                self._idle.set()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            self._host, self._server_port
        )
        self._open.add(far_writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    self._pump(reader, far_writer), name="sim_plant.relay.up"
                )
                tasks.create_task(
                    self._pump(far_reader, writer), name="sim_plant.relay.down"
                )
        finally:
            self._open.discard(far_writer)
            far_writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Copy one direction; its end hangs up the other end too."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._whole.wait()
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()
