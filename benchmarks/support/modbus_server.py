"""A Modbus TCP server that answers at once, so that the client is what is measured.

Every answer holds one number in all its registers: how many there were before on this
connection, modulo 2**15. `python -m benchmarks.support.modbus_server` prints its port
and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys

WRAP = 1 << 15
_HEAD_BYTES = 12  # the request of a read, whole


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._sequence = 0
        self._begun = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        data = self._begun + data
        answers = [
            self._answer(data[at : at + _HEAD_BYTES])
            for at in range(0, len(data) - _HEAD_BYTES + 1, _HEAD_BYTES)
        ]
        self._begun = data[len(answers) * _HEAD_BYTES :]
        assert self._transport is not None
        self._transport.write(b"".join(answers))

    def _answer(self, request: bytes) -> bytes:
        size = 2 * int.from_bytes(request[10:12], "big")
        self._sequence = (self._sequence + 1) % WRAP
        words = self._sequence.to_bytes(2, "big") * (size // 2)
        length = (size + 3).to_bytes(2, "big")
        return request[:4] + length + request[6:8] + bytes((size,)) + words


async def serve() -> None:
    """Serve until nobody needs us."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
