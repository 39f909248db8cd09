"""One client of an OPC UA server, measured.

`python -m benchmarks.support.opcua_clients SIDE --url URL --tags N` is a process of its
own, so that its CPU time is its own. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from appliance.acquisition.supervisor import supervise
from appliance.config.model import StorageSettings
from appliance.runtime.backoff import Backoff
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store
from benchmarks.support.opcua_server import URI, node_name
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.source import OpcuaSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.domain.batch import Batch
    from appliance.storage.store import BufferStore

PUBLISHING_S = 0.1
WARM_S = 1.0
FIRST_WITHIN_S = 40.0


class Taker(Protocol):
    """Something that takes values; `taken` only grows."""

    taken: int

    async def settle(self) -> None:
        """Do now what was put off: its cost belongs to what was taken."""
        ...

    def lost(self) -> int:
        """Return how many values never came."""
        ...


class Checked:
    """Counts batches' values; every tag's values must count up by one."""

    def __init__(self, store: BufferStore, tags: int) -> None:
        self.taken = 0
        self._store = store
        self._missing = 0
        self._last = np.zeros(tags)

    def take(self, batch: Batch) -> None:
        """Count a batch, and buffer it. A tag comes in it a few times at most."""
        self._store.append(batch)
        tag, value = batch.tag, batch.value
        while len(tag):
            _, first = np.unique(tag, return_index=True)
            now, before = value[first], self._last[tag[first]]
            started = before > 0
            self._missing += int((now - before - 1)[started].sum())
            self._last[tag[first]] = now
            self.taken += len(first)
            left = np.ones(len(tag), np.bool_)
            left[first] = False
            tag, value = tag[left], value[left]

    async def settle(self) -> None:
        """Commit, and compress."""
        taken = self.taken
        await self._store.flush()
        if self._store.counters()["samples_stored"] < taken:
            raise RuntimeError("the buffer has fewer than were taken")

    def lost(self) -> int:
        """Return how many values never came."""
        return self._missing


class Counting:
    """What a person writes first: a handler that counts."""

    def __init__(self, tags: int) -> None:
        self.taken = 0
        self._tags = tags
        self._first = 0.0
        self._last = 0.0

    def datachange_notification(
        self, _node: object, value: float, _all: object
    ) -> None:
        """Count a value; asyncua calls this."""
        self.count(value)

    def count(self, value: float) -> None:
        """Count a value."""
        if not value:
            return
        self.taken += 1
        self._first = self._first or value
        self._last = max(self._last, value)

    async def settle(self) -> None:
        """Nothing was put off."""

    def lost(self) -> int:
        """Return how many never came; those of the last message may be on the way."""
        whole = self._tags * round(self._last - self._first)
        return max(0, whole - self.taken)


def settings_of(arguments: argparse.Namespace) -> OpcuaSettings:
    """Return the settings of our source."""
    security: dict[str, Any] = {"policy": "none", "allow_insecure": True}
    if arguments.pki is not None:
        security = {
            "allow_anonymous": True,
            "certificate": arguments.pki / "client.der",
            "private_key": arguments.pki / "client.pem",
            "server_certificate": arguments.pki / "server.der",
        }
    uri = arguments.uri
    return OpcuaSettings.model_validate(
        {
            "name": "bench",
            "connector": "opcua",
            "url": arguments.url,
            "security": security,
            "publishing_interval_s": PUBLISHING_S,
            "sampling_interval_s": 0,
            "tags": [
                {"id": f"B-1/{number:05}", "node": f"nsu={uri};s={node_name(number)}"}
                for number in range(arguments.tags)
            ],
        }
    )


@asynccontextmanager
async def ours(arguments: argparse.Namespace) -> AsyncIterator[Taker]:
    """Source, supervisor and buffer on disk, as in the hub."""
    settings, clock = settings_of(arguments), SystemClock()
    source = OpcuaSource(settings, clock)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "buffer.db"
        async with open_store(path, StorageSettings(), clock) as store:
            numbers = await store.register([tag.tag() for tag in settings.tags])
            checked = Checked(store, arguments.tags + 1)

            async with asyncio.TaskGroup() as group:
                reading = supervise(
                    source, numbers, checked.take,
                    declare=lambda *_: None, on_change=lambda *_: None,
                    clock=clock, backoff=Backoff(0.5, 5.0, jitter=0.0, spread=float),
                )  # fmt: skip
                tasks = [group.create_task(work) for work in (reading, store.run())]
                yield checked
                for task in tasks:
                    task.cancel()


@asynccontextmanager
async def _client(arguments: argparse.Namespace) -> AsyncIterator[Client]:
    client = Client(arguments.url)
    if arguments.pki is not None:
        client.application_uri = "urn:wheeltapper:gateway"
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            str(arguments.pki / "client.der"),
            str(arguments.pki / "client.pem"),
            server_certificate=str(arguments.pki / "server.der"),
        )
    async with client:
        yield client


@asynccontextmanager
async def handler(arguments: argparse.Namespace) -> AsyncIterator[Taker]:
    """Do it asyncua's documented way: a handler object, called for each value."""
    counting = Counting(arguments.tags)
    async with _client(arguments) as client:
        index = await client.get_namespace_index(arguments.uri)
        subscription = await client.create_subscription(PUBLISHING_S * 1000, counting)
        nodes = [
            client.get_node(f"ns={index};s={node_name(number)}")
            for number in range(arguments.tags)
        ]
        await subscription.subscribe_data_change(nodes, queuesize=10)
        yield counting


@asynccontextmanager
async def decoding(arguments: argparse.Namespace) -> AsyncIterator[Taker]:
    """Take asyncua's decoder alone: a loop over its objects, no task for each value."""
    counting = Counting(arguments.tags)

    def take(result: ua.PublishResult) -> None:
        for part in result.NotificationMessage.NotificationData:
            for change in part.MonitoredItems:
                counting.count(change.Value.Value.Value)

    async with _client(arguments) as client:
        index = await client.get_namespace_index(arguments.uri)
        subscription = await client.create_subscription(PUBLISHING_S * 1000, counting)
        callbacks = client.uaclient.session._subscription_callbacks  # noqa: SLF001
        assert subscription.subscription_id is not None
        callbacks[subscription.subscription_id] = take
        nodes = [
            client.get_node(f"ns={index};s={node_name(number)}")
            for number in range(arguments.tags)
        ]
        await subscription.subscribe_data_change(nodes, queuesize=10)
        yield counting


SIDES = {"ours": ours, "handler": handler, "decoding": decoding}


async def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Run one side; return its figures over the window."""
    async with SIDES[arguments.side](arguments) as taker:
        async with asyncio.timeout(FIRST_WITHIN_S):
            while not taker.taken:  # noqa: ASYNC110 - others have no event to wait for
                await asyncio.sleep(0.05)
        await asyncio.sleep(WARM_S)
        before, cpu_s, start_s = taker.taken, time.process_time(), time.perf_counter()
        await asyncio.sleep(arguments.seconds)
        taken, lasted_s = taker.taken - before, time.perf_counter() - start_s
        await taker.settle()
        used_s = time.process_time() - cpu_s
        lost = taker.lost()
    return {
        "per_s": taken / lasted_s,
        "cpu_us": used_s / max(1, taken) * 1e6,
        "core": used_s / lasted_s,
        "lost": lost,
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--url", required=True)
    parser.add_argument("--uri", default=URI)
    parser.add_argument("--tags", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--pki", type=Path)
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
