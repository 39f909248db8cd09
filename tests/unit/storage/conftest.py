"""A buffer in a temporary folder, and a clock that stands still."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.config.model import StorageSettings
from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.storage.store import BufferStore

START_NS = 1_700_000_000 * 10**9


class StandingClock:
    """Time moves only when a test says so; sleeping waits for `wake`."""

    def __init__(self) -> None:
        self.ns = START_NS
        self.woken = asyncio.Event()
        self.slept = 0

    def utc_ns(self) -> int:
        return self.ns

    def now_s(self) -> float:
        return self.ns / 1e9

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.woken.clear()
        await self.woken.wait()
        self.ns += int(seconds * 1e9)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buffer.db"


@pytest.fixture
def opened(
    path: Path, clock: StandingClock
) -> Callable[..., AbstractAsyncContextManager[BufferStore]]:
    """Return a function that opens the buffer, with settings by name."""

    def open_it(
        *, memory_bytes: int = 32 * 2**20, **settings: float
    ) -> AbstractAsyncContextManager[BufferStore]:
        return open_store(
            path,
            StorageSettings.model_validate(settings),
            clock,
            memory_bytes=memory_bytes,
        )

    return open_it


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return a function that makes a batch of `rows` rows of tags 1 to `tags`."""

    def make(rows: int = 10, *, tags: int = 2, start_ns: int = START_NS) -> Batch:
        time_ns = start_ns + np.repeat(np.arange(-(-rows // tags)), tags)[:rows] * 10**8
        return batch_of(
            np.arange(rows, dtype=np.uint32) % tags + 1,
            np.arange(rows) / 10,
            source_time_ns=time_ns,
            receive_time_ns=start_ns,
        )

    return make


@pytest.fixture
def event() -> Callable[[str], Event]:
    """Return a function that makes an event of a name."""

    def make(name: str) -> Event:
        return Event(EventKind.ALARM, name, START_NS, f"{name} happened", asset="P-101")

    return make
