"""Rules for every test: nothing is left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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
