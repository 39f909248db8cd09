"""The baseline: read, compare, write, with nothing else in its process.

python -m benchmarks.trip.bare PORT PRIORITY
"""

from __future__ import annotations

import asyncio
import sys
import time

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.trip.matrix import FACTOR, SCAN_S, SETPOINT
from benchmarks.trip.plc import LANES
from benchmarks.trip.realtime import ask_for_realtime


async def bare_loop(port: int) -> None:
    """Read, compare, write for ever: the baseline, with nothing else in its process."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    due_s = time.monotonic()
    while True:
        answer = await client.read_input_registers(0, count=LANES, device_id=1)
        for lane, raw in enumerate(answer.registers):
            if raw * FACTOR > SETPOINT:
                await client.write_coil(lane, value=False, device_id=1)
        due_s += SCAN_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def main() -> None:
    """Run until ended."""
    port, priority = map(int, sys.argv[1:])
    if priority:
        ask_for_realtime(priority)
    asyncio.run(bare_loop(port))


if __name__ == "__main__":
    main()
