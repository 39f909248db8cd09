"""Every source of the hub, its state, and what is told when that changes."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.acquisition.supervisor import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    RETRY_JITTER,
    SourceState,
    supervise,
)
from appliance.alarms.delay import Delay
from appliance.alarms.sources import Fault, SourceWord
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.event import Event, EventKind
from appliance.domain.ports import Diagnosed
from appliance.hub.flapping import Flapping
from appliance.runtime.backoff import Backoff
from appliance.runtime.plugins import load_connector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appliance.acquisition.supervisor import Declare, Deliver
    from appliance.domain.ports import Clock, Source
    from appliance.domain.tag import TagId
    from appliance.runtime.plugins import SourceSettings

log = logging.getLogger(__name__)

CONNECTION = "connection"
LOSS_DELAY = Delay(on_s=5.0, off_s=10.0)
"""A loss that is over sooner is an event, no alarm; and a flapping source is one."""
_AWAY = frozenset({SourceState.LOST, SourceState.FAULTY})
_REMEDY = {
    SourceState.LOST: "check power, network and address of the device; reading goes on"
    " by itself as soon as it answers",
    SourceState.FAULTY: "a mistake in our own program: send `wheeltapper"
    " support-bundle` to the supplier; it is tried again meanwhile",
}


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
        self.coalesced = 0
        self._reasons: dict[str, str] = {}
        self._seen: set[str] = set(self.by_name)
        self._flapping: defaultdict[str, Flapping] = defaultdict(Flapping)
        self._mute: set[str] = set()
        self._met: set[str] = set()

    def add(self, source: Source) -> None:
        """Take up one more source."""
        self.by_name[source.name] = source
        self.states[source.name] = SourceState.LOST
        self._seen.add(source.name)

    def expect(self, name: str) -> None:
        """List a source that comes by itself; it is missed once it has been here."""
        self.states[name] = SourceState.LOST

    def changed(self, name: str, state: SourceState, reason: str) -> None:
        """Take note of a change, and tell it as an event.

        Many changes within a minute are told as one event, with their number.
        """
        self.states[name], self._reasons[name] = state, reason
        self._seen.add(name)
        if state not in _AWAY:
            self._met.add(name)
        self.faults += state is SourceState.FAULTY
        if self._flapping[name].changed(self._clock.now_s()):
            self._tell(name, {})
        else:
            self.coalesced += 1

    def tick(self) -> None:
        """Tell what was held back for being too much."""
        now_s = self._clock.now_s()
        for name, flapping in self._flapping.items():
            if held := flapping.due(now_s):
                self._tell(name, {"changes": held})

    def words(self) -> dict[str, SourceWord]:
        """Return what every source says is wrong with itself, its loss included."""
        found = {}
        for name, state in self.states.items():
            faults = [Fault(each) for each in self.diagnostics(name)]
            away = state in _AWAY and name in self._seen
            if away and all(each.diagnostic.key != CONNECTION for each in faults):
                faults.append(self._loss(name, state))
            # Before a source has been connected, what it does not list is not known.
            found[name] = SourceWord(faults, settled=name in self._met)
        return found

    def diagnostics(self, name: str) -> tuple[Diagnostic, ...]:
        """Return what a source says of itself; nothing where it cannot."""
        source: object = self.by_name.get(name)
        try:
            # Asking whether it is one calls the property already.
            found = tuple(source.diagnostics) if isinstance(source, Diagnosed) else ()
        except Exception:
            if name not in self._mute:
                log.exception("source %s cannot say what is wrong with it", name)
            self._mute.add(name)
            return ()
        self._mute.discard(name)
        return found

    def details(self) -> dict[str, Any]:
        """Return state, last error and diagnostics of every source."""
        return {
            name: {
                "state": str(state),
                "error": self._reasons.get(name, ""),
                "diagnostics": [asdict(each) for each in self.diagnostics(name)],
            }
            for name, state in self.states.items()
        }

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

    def _tell(self, name: str, more: Mapping[str, int]) -> None:
        state, reason = self.states[name], self._reasons[name]
        often = f" after {more['changes']} more changes" if more else ""
        said = f": {reason}" if reason else ""
        self._hear(
            Event(
                kind=EventKind.SOURCE,
                name=state,
                time_ns=self._clock.utc_ns(),
                message=f"source {name} is {state}{often}{said}",
                details={"source": name, **more},
            )
        )

    def _loss(self, name: str, state: SourceState) -> Fault:
        reason = self._reasons.get(name) or "it has not answered yet"
        source = self.by_name.get(name)
        groups = {} if source is None else source.groups
        tags = tuple(tag for group in groups.values() for tag in group)
        message = f"it is {state}: {reason}"
        return Fault(
            Diagnostic(CONNECTION, message, _REMEDY[state], tags=tags), LOSS_DELAY
        )
