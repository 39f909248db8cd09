"""Every source of the hub, its state, and what is told when that changes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from appliance.acquisition.supervisor import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    RETRY_JITTER,
    SourceState,
    supervise,
)
from appliance.domain.event import Event, EventKind
from appliance.runtime.backoff import Backoff
from appliance.runtime.plugins import load_connector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appliance.acquisition.supervisor import Declare, Deliver
    from appliance.domain.ports import Clock, Source
    from appliance.domain.tag import TagId
    from appliance.runtime.plugins import SourceSettings


class Sources:
    """The configured sources, and the other processes that are read as sources."""

    def __init__(
        self,
        settings: Sequence[SourceSettings],
        *,
        clock: Clock,
        hear: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._hear = hear
        self.by_name: dict[str, Source] = {
            each.name: load_connector(each.connector).source(each, clock)
            for each in settings
        }
        self.states = dict.fromkeys(self.by_name, SourceState.LOST)
        self.faults = 0

    def add(self, source: Source) -> None:
        """Take up one more source."""
        self.by_name[source.name] = source
        self.expect(source.name)

    def expect(self, name: str) -> None:
        """List a source that comes by itself; until then it is lost."""
        self.states[name] = SourceState.LOST

    def changed(self, name: str, state: SourceState, reason: str) -> None:
        """Take note of a change, and tell it as an event."""
        self.states[name] = state
        self.faults += state is SourceState.FAULTY
        said = f": {reason}" if reason else ""
        self._hear(
            Event(
                kind=EventKind.SOURCE,
                name=state,
                time_ns=self._clock.utc_ns(),
                message=f"source {name} is {state}{said}",
                details={"source": name},
            )
        )

    async def supervise(
        self,
        source: Source,
        numbers: Mapping[TagId, int],
        deliver: Deliver,
        *,
        declare: Declare,
    ) -> None:
        """Keep a source running until it ends or we are cancelled."""
        await supervise(
            source,
            numbers,
            deliver,
            declare=declare,
            clock=self._clock,
            backoff=Backoff(
                FIRST_RETRY_S,
                LONGEST_RETRY_S,
                jitter=RETRY_JITTER,
                spread=random.SystemRandom().random,
            ),
            on_change=self.changed,
        )
