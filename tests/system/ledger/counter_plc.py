"""A Modbus server whose every answer counts one up, and writes down that it did.

Run as a program: `counter_plc.py LOG`; the port is the first line it prints. Two tags
at input registers 0 and 2 (uint32): the counter, and a million more than the counter.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from pathlib import Path
from typing import TextIO

OFFSET = 1_000_000
REGISTERS = 4
_HEADER = struct.Struct(">HHHB")
_ASKED = struct.Struct(">BHH")
_ILLEGAL_ADDRESS = 2
_ANSWERS_MAX = 1_000_000


class CounterPlc:
    """Counts over all connections; the log has a line for each answer, before it."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._value = 0

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one caller until it hangs up."""
        try:
            for _ in range(_ANSWERS_MAX):
                header = await reader.readexactly(_HEADER.size)
                transaction, protocol, length, unit = _HEADER.unpack(header)
                asked = await reader.readexactly(length - 1)
                pdu = self._answer(asked)
                head = _HEADER.pack(transaction, protocol, len(pdu) + 1, unit)
                writer.write(head + pdu)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, asked: bytes) -> bytes:
        function = asked[0]
        if len(asked) != _ASKED.size or _ASKED.unpack(asked)[1:] != (0, REGISTERS):
            return bytes((function | 0x80, _ILLEGAL_ADDRESS))
        self._value += 1
        self._log.write(f"{self._value} {time.time_ns()}\n")
        self._log.flush()
        content = struct.pack(">II", self._value, self._value + OFFSET)
        return bytes((function, len(content))) + content


async def main(path: Path) -> None:
    """Serve until killed."""
    with path.open("w", encoding="ascii") as log:
        server = await asyncio.start_server(CounterPlc(log).serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
