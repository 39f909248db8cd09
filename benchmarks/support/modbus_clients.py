"""One client of Modbus servers, measured.

`python -m benchmarks.support.modbus_clients SIDE --port P --connections N` is a process
of its own, so that its CPU time is its own. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pymodbus.client import AsyncModbusTcpClient

from appliance.acquisition.supervisor import supervise
from appliance.config.model import StorageSettings
from appliance.runtime.backoff import Backoff
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store
from benchmarks.support.modbus_server import WRAP
from connectors.modbus.config import ModbusSettings
from connectors.modbus.source import ModbusSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from appliance.domain.batch import Batch, ValueColumn
    from appliance.storage.store import BufferStore

HOST = "127.0.0.1"
WARM_S = 1.0
READY_WITHIN_S = 30.0
FASTEST_S = 0.01
GROUPS = 4
"""At full speed, so that while one was just read another is due."""

Append: TypeAlias = Callable[["Batch"], None]


class Tally:
    """Values taken, and answers that never came.

    The server counts its answers on each connection.
    """

    def __init__(self, append: Append | None = None) -> None:
        self.values = 0
        self.lost = 0
        self.is_over = False
        self._append = append
        self._last: dict[str, int] = {}

    @property
    def sides(self) -> int:
        """How many connections, or groups of them, have been read."""
        return len(self._last)

    def take(self, batch: Batch) -> None:
        """Count a batch, and buffer it."""
        if self._append is not None:
            self._append(batch)
        self.count(batch.group, batch.value)

    def count(self, connection: str, values: ValueColumn | Sequence[int]) -> None:
        """Count the values of an answer, or of several of the same size."""
        self.values += len(values)
        last, now = self._last.get(connection), int(values[-1])
        if last is not None:
            self.lost += (now - last - 1) % WRAP * len(values)
        self._last[connection] = now


def groups_of(arguments: argparse.Namespace) -> int:
    """Return how many groups a connection has."""
    fastest = arguments.side == "ours" and arguments.period_s == FASTEST_S
    return GROUPS if fastest else 1


def settings_of(arguments: argparse.Namespace, number: int) -> ModbusSettings:
    """Return one source; it polls for all it can if its period is the shortest."""
    period_s, registers = arguments.period_s, arguments.registers
    groups = groups_of(arguments)
    apart = registers + 50  # wider than any gap that is read along
    return ModbusSettings.model_validate(
        {
            "name": f"bench{number}",
            "connector": "modbus",
            "host": HOST,
            "port": arguments.port,
            "period_s": period_s,
            "groups": [
                {"name": f"g{group}", "period_s": period_s} for group in range(groups)
            ],
            "tags": [
                {
                    "id": f"B-{number}/g{group}/{block}.{register}",
                    "table": "holding",
                    "address": apart * (arguments.blocks * group + block) + register,
                    "range_low": 0,
                    "range_high": 100_000,
                    "group": f"g{group}",
                }
                for group in range(groups)
                for block in range(arguments.blocks)
                for register in range(registers)
            ],
        }
    )


@asynccontextmanager
async def ours(arguments: argparse.Namespace) -> AsyncIterator[Tally]:
    """Sources and supervisors as the hub has them; the buffer on disk if asked for."""
    if not arguments.buffer:
        async with _polling(arguments, None) as tally:
            yield tally
        return
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path, clock = Path(folder) / "buffer.db", SystemClock()
        async with open_store(path, StorageSettings(), clock) as store:
            async with _polling(arguments, store) as tally:
                yield tally
            await store.flush()
            if store.counters()["samples_stored"] < tally.values:
                raise RuntimeError("the buffer has fewer than were taken")


@asynccontextmanager
async def _polling(
    arguments: argparse.Namespace, store: BufferStore | None
) -> AsyncIterator[Tally]:
    clock = SystemClock()
    everything = [
        settings_of(arguments, number) for number in range(arguments.connections)
    ]
    tags = [tag.tag() for settings in everything for tag in settings.tags]
    numbers = (
        {tag.id: number for number, tag in enumerate(tags)}
        if store is None
        else await store.register(tags)
    )
    tally = Tally(None if store is None else store.append)
    async with asyncio.TaskGroup() as group:
        work = [
            supervise(
                ModbusSource(settings, clock), numbers, tally.take,
                declare=lambda *_: None, on_change=lambda *_: None,
                clock=clock, backoff=Backoff(0.5, 5.0, jitter=0.0, spread=float),
            )
            for settings in everything
        ]  # fmt: skip
        if store is not None:
            work.append(store.run())
        tasks = [group.create_task(each) for each in work]
        yield tally
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def bare(arguments: argparse.Namespace) -> AsyncIterator[Tally]:
    """What a person writes first: pymodbus in a loop, the registers counted."""
    tally = Tally()
    async with asyncio.TaskGroup() as group:
        for number in range(arguments.connections):
            group.create_task(_bare_loop(arguments, f"bench{number}", tally))
        yield tally
        tally.is_over = True  # pymodbus may swallow a cancellation


async def _bare_loop(arguments: argparse.Namespace, name: str, tally: Tally) -> None:
    client = AsyncModbusTcpClient(HOST, port=arguments.port)
    await client.connect()
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    try:
        while not tally.is_over:
            answer = await client.read_holding_registers(0, count=arguments.registers)
            tally.count(name, answer.registers)
            if arguments.period_s > FASTEST_S:
                due_s += arguments.period_s
                await asyncio.sleep(due_s - loop.time())
    finally:
        client.close()


SIDES = {"ours": ours, "bare": bare}


async def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Run one side; return its figures over the window, the last commit included."""
    async with SIDES[arguments.side](arguments) as tally:
        async with asyncio.timeout(READY_WITHIN_S):
            while tally.sides < arguments.connections * groups_of(arguments):  # noqa: ASYNC110 - it counts for itself
                await asyncio.sleep(0.05)
        await asyncio.sleep(WARM_S)
        values = tally.values
        cpu_s, start_s = time.process_time(), time.perf_counter()
        await asyncio.sleep(arguments.seconds)
        values = tally.values - values
        lasted_s = time.perf_counter() - start_s
        used_s = time.process_time() - cpu_s
    requests = values / arguments.registers
    return {
        "requests_per_s": requests / lasted_s,
        "values_per_s": values / lasted_s,
        "cpu_us_per_request": used_s / max(1, requests) * 1e6,
        "cpu_us_per_value": used_s / max(1, values) * 1e6,
        "core": used_s / lasted_s,
        "lost": tally.lost,
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--registers", type=int, default=125)
    parser.add_argument("--period-s", type=float, default=FASTEST_S)
    parser.add_argument("--blocks", type=int, default=1, help="requests in a poll")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--buffer", action="store_true")
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
