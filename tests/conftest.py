"""Rules for every test: nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# A busy machine must not fail a test, nor luck: what is random is so in the soaks.
settings.register_profile(
    "wheeltapper",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("wheeltapper")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives to the end: modules and the tests."""
    gc.collect()
    gc.freeze()


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Fail a test that leaves a task running: its owner forgot it."""
    before = asyncio.all_tasks()
    yield
    left = [
        task
        for task in asyncio.all_tasks() - before
        if task is not asyncio.current_task() and not task.done()
    ]
    assert not left, f"tasks left behind: {[task.get_name() for task in left]}"


@pytest.fixture
def untraced() -> Iterator[None]:
    """Not measured: long walks through lines that short ones have gone through."""
    tracing = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracing)
