"""One connection that is made again when it was lost, without making a scan late."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.tasks import Companions, companions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class _Closable(Protocol):
    def close(self) -> None:
        """Drop it at once, without waiting."""

    async def leave(self) -> None:
        """Close it politely, in bounded time."""


_Connection = TypeVar("_Connection", bound=_Closable)


class Lifeline(Generic[_Connection]):
    """Keeps at most one connection, for the readers and outputs of safety.

    An attempt to connect runs beside its caller: who has no time left goes away, the
    attempt goes on, and the next caller finds it done. `connect` must bound its own
    time and raise `SourceUnavailableError`.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[_Connection]], *, name: str
    ) -> None:
        self._connect = connect
        self._name = name
        self._tasks: Companions | None = None
        self._attempt: asyncio.Task[_Connection | SourceUnavailableError] | None = None
        self._replacing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Allow connections; the first attempt begins at once. Close at the end."""
        async with companions() as tasks:
            self._tasks = tasks
            self._attempt = self._begin(tasks)
            try:
                yield
            finally:
                self._tasks = None
                made = self._made()
                if made is not None:
                    await made.leave()
                self.drop()

    async def connection(self) -> _Connection:
        """Return the connection, or take part in an attempt to make one.

        May be cancelled at any time.

        Raises:
            SourceUnavailableError: The attempt failed; the next call makes a new one.
        """
        if self._tasks is None:
            raise SourceUnavailableError(f"{self._name} is not open")
        if self._attempt is None:
            self._attempt = self._begin(self._tasks)
        attempt = self._attempt
        outcome = await asyncio.shield(attempt)
        if isinstance(outcome, SourceUnavailableError):
            if self._attempt is attempt:
                self._attempt = None
            raise outcome
        return outcome

    def drop(self) -> None:
        """Close the connection, or give up the attempt: it is lost or not trusted."""
        made, attempt, self._attempt = self._made(), self._attempt, None
        if made is not None:
            made.close()
        elif attempt is not None:
            attempt.cancel()

    def replace(self) -> None:
        """Connect anew beside the connection that is, which is left once that is done.

        Nothing changes if there is no connection, or the new one cannot be made.
        """
        busy = self._replacing is not None and not self._replacing.done()
        if self._tasks is None or busy or self._made() is None:
            return
        name = f"{self._name}.replace"
        self._replacing = self._tasks.start(self._replace(self._tasks), name=name)

    async def _replace(self, tasks: Companions) -> None:
        attempt = self._begin(tasks)
        outcome = await attempt
        if isinstance(outcome, SourceUnavailableError):
            return
        before = self._made()
        if before is None:
            # Lost meanwhile: whoever needs one is making it already.
            await outcome.leave()
            return
        self._attempt = attempt
        await before.leave()

    def _made(self) -> _Connection | None:
        attempt = self._attempt
        if attempt is None or not attempt.done() or attempt.cancelled():
            return None
        outcome = attempt.result()
        return None if isinstance(outcome, SourceUnavailableError) else outcome

    def _begin(
        self, tasks: Companions
    ) -> asyncio.Task[_Connection | SourceUnavailableError]:
        return tasks.start(self._try(), name=f"{self._name}.connect")

    async def _try(self) -> _Connection | SourceUnavailableError:
        try:
            return await self._connect()
        except SourceUnavailableError as error:
            return error
