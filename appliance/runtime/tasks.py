"""A task beside a block of code, with plain errors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


@asynccontextmanager
async def alongside(
    work: Coroutine[object, object, None], *, name: str
) -> AsyncIterator[None]:
    """Run `work` as a named task beside the block; it is cancelled at the block's end.

    Errors come out as they are, never in an ExceptionGroup: the block's own, or else
    that of `work`, which cancels the block.
    """
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work, name=name)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - carried out of the group below
                failure = error
            finally:
                task.cancel()
    except BaseExceptionGroup as errors:
        if failure is None and len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        if failure is None:
            raise
    if failure is not None:
        raise failure
