"""A PLC in memory: it answers Modbus TCP, and notes when a coil falls."""

from __future__ import annotations

import asyncio
import struct
import time

LANES = 5
GOOD_RAW, BAD_RAW = 1_000, 20_000


class Plc(asyncio.Protocol):
    """As much of Modbus TCP as the loops use; it notes when the coil falls."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._buffer += data
        while len(self._buffer) >= 6:
            length = 6 + struct.unpack_from(">H", self._buffer, 4)[0]
            if len(self._buffer) < length:
                return
            request, self._buffer = self._buffer[:length], self._buffer[length:]
            body = self._memory.answer(request[7:])
            head = request[:4] + struct.pack(">H", len(body) + 1) + request[6:7]
            assert self._transport is not None
            self._transport.write(head + body)


class Memory:
    """The PLC's memory: an input register and a coil per lane, one heartbeat."""

    def __init__(self) -> None:
        self.raw = [GOOD_RAW] * LANES
        self.coils = [False] * LANES
        self.heartbeat = 0
        self.fell_at_s = [0.0] * LANES
        self.fell = [asyncio.Event() for _ in range(LANES)]
        self.risen = asyncio.Event()

    def answer(self, request: bytes) -> bytes:
        """Return the answer to one request."""
        code, address, value = struct.unpack_from(">BHH", request)
        match code:
            case 1:
                bits = self.coils[address : address + value]
                packed = sum(1 << place for place, bit in enumerate(bits) if bit)
                size = (value + 7) // 8
                return struct.pack(">BB", code, size) + packed.to_bytes(size, "little")
            case 3:
                return struct.pack(">BBH", code, 2, self.heartbeat)
            case 4:
                words = self.raw[address : address + value]
                return struct.pack(f">BB{value}H", code, 2 * value, *words)
            case 5:
                self.write_coil(address, on=value != 0)
            case 6:
                self.heartbeat = value
            case _:
                return bytes((code | 0x80, 1))
        return request

    def write_coil(self, lane: int, *, on: bool) -> None:
        """Note the edges."""
        if self.coils[lane] and not on:
            self.fell_at_s[lane] = time.perf_counter()
            self.fell[lane].set()
        self.coils[lane] = on
        if all(self.coils):
            self.risen.set()

    def make_well(self) -> None:
        """Let nothing demand any more."""
        self.raw = [GOOD_RAW] * LANES
        self.risen.clear()
        for fell in self.fell:
            fell.clear()
