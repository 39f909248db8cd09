"""The dialling end of the link."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from appliance.link.frames import read_frame
from appliance.runtime.tasks import alongside
from appliance.wire.messages import (
    PROTOCOL,
    BatchMessage,
    EventMessage,
    Hello,
    Lost,
    Reply,
    Request,
    Subscribe,
    WireError,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appliance.wire.messages import Message

INBOX_MAX = 1024
HELLO_WITHIN_S = 5.0

News: TypeAlias = BatchMessage | EventMessage | Lost


class LinkLostError(Exception):
    """The other process is not there, or has gone: try again later."""


class LinkRefusedError(Exception):
    """The other process will not do it; the text says why."""


class LinkClient:
    """A connection that has exchanged hellos. Made by `connect` alone."""

    def __init__(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        self.hello = hello
        self._writer = writer
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._inbox: asyncio.Queue[News | None] = asyncio.Queue(INBOX_MAX)
        self._lost = False

    async def request(self, op: str, **args: Any) -> Any:  # noqa: ANN401 - msgpack
        """Ask for an operation and return its result.

        Raises:
            LinkRefusedError: It was refused.
            LinkLostError: The connection ended before the answer.
        """
        if self._lost:
            raise LinkLostError("the link is closed")
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._send(Request(number, op, args))
            return await future
        finally:
            self._waiting.pop(number, None)

    async def send_batch(self, message: BatchMessage) -> None:
        """Hand a batch to the server.

        Raises:
            LinkLostError: The connection has ended.
        """
        await self._send(message)

    async def messages(self) -> AsyncIterator[News]:
        """Yield what was subscribed to.

        Whoever subscribes must keep taking: while nobody does, replies wait behind the
        news, and the server's bounded queue loses the oldest batches, which it reports.

        Raises:
            LinkLostError: The connection has ended.
        """
        while (news := await self._inbox.get()) is not None:
            yield news
        raise LinkLostError("the link was closed by the other process")

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Sort what arrives until the connection ends; `connect` owns this task."""
        try:
            while (message := await read_frame(reader)) is not None:
                if isinstance(message, Reply):
                    self._resolve(message)
                elif isinstance(message, BatchMessage | EventMessage | Lost):
                    await self._inbox.put(message)
        except WireError:
            pass  # not our protocol: as good as closed
        self._lost = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkLostError("the link ended before the answer"))
        await self._inbox.put(None)

    def _resolve(self, reply: Reply) -> None:
        future = self._waiting.get(reply.n)
        if future is None or future.done():
            return
        if reply.error is None:
            future.set_result(reply.result)
        else:
            future.set_exception(LinkRefusedError(reply.error))

    async def _send(self, message: Message) -> None:
        try:
            self._writer.write(encode_frame(message))
            await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise LinkLostError(f"the link is closed: {error}") from error


@asynccontextmanager
async def connect(
    path: Path, *, process: str, subscribe: tuple[str, ...] = ()
) -> AsyncIterator[LinkClient]:
    """Dial a socket, exchange hellos, subscribe.

    Raises:
        LinkLostError: Nobody listens, or it does not speak our protocol.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LinkLostError(f"{path}: {reason}") from error
    try:
        client = await _greet(reader, writer, process, subscribe)
        async with alongside(client.listen(reader), name="link.listen"):
            yield client
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _greet(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    process: str,
    subscribe: tuple[str, ...],
) -> LinkClient:
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            writer.write(encode_frame(Hello(PROTOCOL, process)))
            if subscribe:
                writer.write(encode_frame(Subscribe(subscribe)))
            await writer.drain()
            hello = await read_frame(reader)
    except (ConnectionError, TimeoutError, WireError) as error:
        raise LinkLostError(f"no hello from the other process: {error}") from error
    if hello is None:
        raise LinkLostError("the other process closed the link at once")
    if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
        raise LinkLostError("the other process does not speak our protocol")
    return LinkClient(hello, writer)
