"""Loopback wires that can be cut, and servers on a loop of their own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from threading import Thread
from typing import TYPE_CHECKING, Self

from appliance.runtime.listening import stop_listening
from tests.support.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

__all__ = ("LOOPBACK", "Gate", "ServerLoop", "free_port", "settle")
_TURNS = 8  # of the loop, enough for an aborted transport to have gone


async def settle() -> None:
    """Let the loop finish what it has begun: connections half closed."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class Gate:
    """A TCP forwarder: `close` cuts connections, `hold` keeps but passes nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen on the port of before, at first on a free one."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections and cut those that are."""
        if self._server is None:
            return
        await stop_listening(self._server)
        self._server = None
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await settle()

    def hold(self) -> None:
        """Pass nothing until `release`."""
        self._passing.clear()

    def release(self) -> None:
        """Pass what waited, and what comes."""
        self._passing.set()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection(
                LOOPBACK, self.target
            )
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer), name="gate.out")
                both.create_task(self._pump(far_reader, writer), name="gate.in")
        except (OSError, asyncio.CancelledError, BaseExceptionGroup):
            pass
        finally:
            writer.transport.abort()
            if far_writer is not None:
                far_writer.transport.abort()
            self._serving.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while passed := await reader.read(65_536):
            await self._passing.wait()
            writer.write(passed)
            await writer.drain()
        raise ConnectionResetError("one side closed")


class ServerLoop:
    """Runs servers on an event loop of their own, so that they share no task with us.

    Each kind is started once, at its first use.
    """

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._stack = AsyncExitStack()
        self._thread = Thread(target=self._run, name="servers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(timeout=30)

    def port_of(
        self, kind: str, serving: Callable[[], AbstractAsyncContextManager[int]]
    ) -> int:
        """Return the port of a kind of server."""
        if kind not in self._ports:
            self._ports[kind] = self.enter(serving())
        return self._ports[kind]

    def enter(self, serving: AbstractAsyncContextManager[int]) -> int:
        """Run a server to the end; return its port."""
        entering = self._stack.enter_async_context(serving)
        started = asyncio.run_coroutine_threadsafe(entering, self._loop)
        return started.result(timeout=30)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with self._stack:
            await self._ended.wait()
        await settle()
        # a server forgets the connection that it accepted while it was being closed
        for transport in tuple(getattr(self._loop, "_transports", {}).values()):
            transport.abort()
        await settle()
