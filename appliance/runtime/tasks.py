"""Tasks that live exactly as long as a connection."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

_Outcome = TypeVar("_Outcome")


def insist_on_cancellation() -> None:
    """Raise what a library took away: a cancellation of the current task.

    Until Python 3.12, `asyncio.wait_for` swallows a cancellation that comes in the
    same turn of the loop as the answer; whoever loops around it would never end.

    Raises:
        CancelledError: The current task was asked to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Companions:
    """Starts the named tasks that help the body of `companions`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, _Outcome], *, name: str
    ) -> asyncio.Task[_Outcome]:
        """Start a task; if it raises, the body is cancelled and its error leaves."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Cancel every task that still runs."""
        for task in tuple(self._tasks):
            task.cancel()


@asynccontextmanager
async def companions() -> AsyncIterator[Companions]:
    """Cancel the started tasks when the body ends, and wait for their end.

    An error leaves as itself, not in a group: a connection that needs companions still
    raises what its contract says.
    """
    try:
        async with asyncio.TaskGroup() as group:
            started = Companions(group)
            try:
                yield started
            finally:
                started.cancel()
    except BaseExceptionGroup as errors:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # A group that fails forgets that its task was cancelled meanwhile.
            raise asyncio.CancelledError from errors
        # Only ever one: the body's, or that of the task that cancelled the body.
        raise errors.exceptions[0]  # noqa: B904 - the group says nothing more


@asynccontextmanager
async def alongside(
    work: Coroutine[object, object, None], *, name: str
) -> AsyncIterator[None]:
    """Run one task beside the block; it is cancelled at the block's end.

    Errors come out as they are: the block's own, or else that of `work`, which
    cancels the block.
    """
    async with companions() as started:
        started.start(work, name=name)
        yield
