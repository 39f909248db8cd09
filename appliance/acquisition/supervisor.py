"""Keep one source running; a lost source becomes bad samples."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from appliance.domain.batch import bad_batch
from appliance.domain.event import Gap
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock, Source
    from appliance.domain.tag import TagId
    from appliance.runtime.backoff import Backoff

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
RETRY_JITTER = 0.2


class SourceState(StrEnum):
    """How a source stands. FAULTY: lost by a mistake in our own code."""

    CONNECTED = "connected"
    LOST = "lost"
    FAULTY = "faulty"
    ENDED = "ended"


Deliver: TypeAlias = "Callable[[Batch], None]"
Declare: TypeAlias = "Callable[[str, Gap], None]"
"""Called with the source's name and what it knows to be missing for good."""
OnChange: TypeAlias = "Callable[[str, SourceState, str], None]"
"""Called with the source's name, its new state, and the reason (or nothing)."""


async def supervise(
    source: Source,
    numbers: Mapping[TagId, int],
    deliver: Deliver,
    *,
    declare: Declare,
    clock: Clock,
    backoff: Backoff,
    on_change: OnChange,
) -> None:
    """Read a source for ever, reconnecting with growing patience.

    What it yields goes on in its order, batches to `deliver` and gaps to `declare`.
    When it is lost, each of its groups gets one bad batch, so the gap is visible to
    alarms, storage and people alike; loss and return are told once. Patience begins
    anew with the first batch after a connection, not with the connection. A source
    that ends by itself (a recording) is not read again.
    """
    upkeep = _Upkeep(
        source, numbers, deliver, declare=declare, clock=clock, on_change=on_change
    )
    while not await _read(source, numbers, upkeep, backoff=backoff):
        await clock.sleep(backoff.next_s())


async def _read(
    source: Source, numbers: Mapping[TagId, int], upkeep: _Upkeep, *, backoff: Backoff
) -> bool:
    """Read until the source is lost; say whether it ended by itself."""
    try:
        async with source.open(numbers) as batches:
            async for each in batches:
                if upkeep.take(each):
                    backoff.reset()
    except SourceUnavailableError as error:
        upkeep.lose(SourceState.LOST, str(error))
        return False
    except Exception as error:  # noqa: BLE001 - one bad source must not stop the others
        upkeep.lose(SourceState.FAULTY, repr(error))
        return False
    upkeep.end()
    return True


class _Upkeep:
    """What is known of the source, so that each change is told once."""

    def __init__(
        self,
        source: Source,
        numbers: Mapping[TagId, int],
        deliver: Deliver,
        *,
        declare: Declare,
        clock: Clock,
        on_change: OnChange,
    ) -> None:
        self._source = source
        self._numbers = numbers
        self._deliver = deliver
        self._declare = declare
        self._clock = clock
        self._on_change = on_change
        self._state: SourceState | None = None

    def take(self, given: Batch | Gap) -> bool:
        """Hand it on; say whether it was a batch: a gap alone is no sign of life."""
        if isinstance(given, Gap):
            self._declare(self._source.name, given)
            return False
        if self._state is not SourceState.CONNECTED:
            again = "connected" if self._state is None else "back"
            log.info("source %s is %s", self._source.name, again)
            self._tell(SourceState.CONNECTED)
        self._deliver(given)
        return True

    def lose(self, state: SourceState, reason: str) -> None:
        """Log and show a loss, once. Call it while the error is being handled."""
        if self._state is state:
            return
        name = self._source.name
        log.warning(
            "source %s is %s: %s", name, state, reason,
            exc_info=state is SourceState.FAULTY,
        )  # fmt: skip
        was_shown = self._state in {SourceState.LOST, SourceState.FAULTY}
        self._tell(state, reason)
        if was_shown:
            return
        now_ns = self._clock.utc_ns()
        for group, tags in self._source.groups.items():
            known = [self._numbers[tag] for tag in tags]
            status = STATUS_BAD_NO_COMMUNICATION
            self._deliver(bad_batch(known, status, time_ns=now_ns, group=group))

    def end(self) -> None:
        log.info("source %s has ended", self._source.name)
        self._tell(SourceState.ENDED)

    def _tell(self, state: SourceState, reason: str = "") -> None:
        self._state = state
        self._on_change(self._source.name, state, reason)
