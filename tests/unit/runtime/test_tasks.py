"""Companion tasks and cancellation."""

from __future__ import annotations

import asyncio

import pytest

from appliance.runtime.tasks import companions


class LostError(Exception):
    pass


async def test_a_cancellation_is_not_forgotten_when_a_helper_fails_meanwhile() -> None:
    inside, stop = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        await stop.wait()
        raise LostError

    async def work() -> None:
        while True:  # as every loop that reconnects does
            try:
                async with companions() as tasks:
                    tasks.start(fail(), name="fail")
                    inside.set()
                    await asyncio.Event().wait()
            except LostError:
                continue

    task = asyncio.get_running_loop().create_task(work(), name="work")
    await inside.wait()
    stop.set()
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_body_that_fails_while_it_is_cancelled_is_cancelled() -> None:
    leaving = asyncio.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            leaving.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def work() -> None:
        async with companions() as tasks:
            tasks.start(linger(), name="linger")
            await asyncio.sleep(0)
            raise LostError

    task = asyncio.get_running_loop().create_task(work(), name="work")
    await leaving.wait()
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_helper_that_fails_leaves_as_its_own_error() -> None:
    async def fail() -> None:
        raise LostError

    async def work() -> None:
        async with companions() as tasks:
            tasks.start(fail(), name="fail")
            await asyncio.Event().wait()

    with pytest.raises(LostError):
        await work()
