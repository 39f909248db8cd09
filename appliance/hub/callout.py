"""Calls people: what is due goes to sync, or to a relay; what became of it, on record.

Sync fetches what leaves the gateway (`calls.take`) and says how it went
(`calls.done`): the credentials are its own, and a mail server that does not answer
stalls nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from appliance.alarms.call_words import Reading, Scene, letter_of, plain, trial_letter
from appliance.alarms.calling import Calling, past_from_ns
from appliance.alarms.delay import Delay
from appliance.alarms.sources import Fault, SourceWord
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.event import EventKind
from appliance.hub.relay import Relay
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from appliance.alarms.engine import AlarmEngine
    from appliance.config import CalloutSettings, Config
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from appliance.hub.latest import Latest
    from appliance.hub.recorder import EventRecorder
    from appliance.link.server import LinkServer, Peer

log = logging.getLogger(__name__)

LOOK_S = 0.5
CROWD = 1000
"""With so many alarms that wait, it looks half as often."""
TAKEN_WITHIN_S = 30.0
"""Sync asks every second; if it is silent for so long, it does not run."""
DONE_WITHIN_S = 90.0
TRIAL_WITHIN_S = 100.0
SAID_MAX = 300
AT_ONCE = Delay()
RELAY_DELAY = Delay(on_s=30.0)
"""A device that is away for a moment, between two calls, is no dead target."""
_NOBODY = "nobody delivers it: wheeltapper sync does not run, or has an older [callout]"
_LATE = f"it was not delivered within {DONE_WITHIN_S:g} s"


def _fault_of(target: str, said: str, delay: Delay = AT_ONCE) -> Fault:
    diagnostic = Diagnostic(
        key=target,
        message=f"{target} could not be called: {said}",
        remedy="mend it, then try it with `wheeltapper alarms call --test"
        f" {shlex.quote(target)}`; meanwhile the next step is called",
        priority="high",
    )
    return Fault(diagnostic, delay)


@dataclass(slots=True)
class _Letter:
    """What sync shall deliver, since when."""

    content: dict[str, Any]
    since_s: float


class Callout:
    """The hub's part of `[callout]`: `recall`, `offer`, then `run`."""

    def __init__(
        self,
        settings: CalloutSettings,
        config: Config,
        *,
        alarms: AlarmEngine,
        recorder: EventRecorder,
        latest: Latest,
        numbers: Mapping[TagId, int],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._alarms = alarms
        self._recorder = recorder
        self._latest = latest
        self._numbers = numbers
        self._clock = clock
        self._calling = Calling(settings)
        self._units = {
            tag.id: tag.engineering_units
            for tag in (*config.measured_tags(), *config.derived_tags())
        }
        self._place = f"{config.site.id}/{config.site.gateway}"
        self._scene = Scene(
            self._place, ZoneInfo(settings.time_zone), self._reading, alarms.root_of
        )
        self._targets = frozenset(each.name for each in settings.targets)
        self._letters: dict[str, _Letter] = {}
        self._trials: dict[str, asyncio.Future[tuple[bool, str]]] = {}
        self._failing: dict[str, str] = {}
        self._asked_s = clock.now_s()
        self._trial_count = 0
        self._relays = dict(self._make_relays(config))

    def recall(self, buffer: Path, last: Mapping[str, Event]) -> None:
        """Take up again where the log left it: nobody is called twice. Reads the disk.

        Raises:
            StoreOpenError: The buffer cannot be read.
        """
        now_ns = self._clock.utc_ns()
        from_ns = past_from_ns(last, now_ns)
        with open_reader(buffer) as reader:
            self._calling.recall(
                reader.events_of_kind(EventKind.ALARM, from_ns=from_ns),
                reader.events_of_kind(EventKind.CALL, from_ns=from_ns),
                last,
                now_ns=now_ns,
            )

    def offer(self, server: LinkServer) -> None:
        """Listen to the alarms from now on, and register the operations."""
        self._recorder.on_show = self._calling.hear
        for op, run in (("calls.take", self._take), ("calls.done", self._take_answer)):
            server.operation(op, run, role=Role.MAINTAINER, processes=("sync",))
        server.operation("calls.test", self._try, role=Role.OPERATOR)

    async def run(self) -> None:
        """Look who is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, relay in self._relays.items():
                group.create_task(relay.run(), name=f"hub.callout.{name}")
            while True:
                self.look()
                # Ten thousand that wait cost 50 ms a look: the others come first.
                crowd = self._calling.waiting / CROWD
                await self._clock.sleep(LOOK_S * (1.0 + crowd))

    def look(self) -> None:
        """Give up what was not taken, and hand out what is due now."""
        now_s = self._clock.now_s()
        for message_id, waiting in tuple(self._letters.items()):
            waited_s = now_s - waiting.since_s
            if waited_s > DONE_WITHIN_S:
                self._done(message_id, _LATE, sent=False)
            elif min(waited_s, now_s - self._asked_s) > TAKEN_WITHIN_S:
                self._done(message_id, _NOBODY, sent=False)
        for message in self._calling.step(self._clock.utc_ns(), self._alarms.calls):
            if relay := self._relays.get(message.target):
                relay.call(message.id)
            else:
                letter = letter_of(message, self._scene)
                self._letters[message.id] = _Letter(letter, now_s)

    def word(self) -> SourceWord:
        """Return which targets cannot be reached: alarms of their own."""
        faults = {name: _fault_of(name, said) for name, said in self._failing.items()}
        for name, relay in self._relays.items():
            if relay.problem:
                faults.setdefault(name, _fault_of(name, relay.problem, RELAY_DELAY))
        return SourceWord(list(faults.values()))

    def _done(self, message_id: str, said: str, *, sent: bool) -> None:
        self._letters.pop(message_id, None)
        said = plain(said, SAID_MAX)
        trial = self._trials.get(message_id)
        if trial is not None:
            if not trial.done():
                trial.set_result((sent, said))
            return
        try:
            event = self._calling.done(
                message_id, said, self._clock.utc_ns(), sent=sent
            )
        except KeyError:
            return  # given up already, and said so
        self._note(str(event.details["target"]), said, sent=sent)
        self._recorder.tell(event)

    def _note(self, target: str, said: str, *, sent: bool) -> None:
        if sent:
            self._failing.pop(target, None)
            return
        if target not in self._failing:
            log.warning("%s could not be called: %s", target, said)
        self._failing[target] = said

    async def _take(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        """Return all that sync has not answered yet; it knows what it has begun."""
        self._asked_s = self._clock.now_s()
        return [letter.content for letter in self._letters.values()]

    async def _take_answer(self, args: Mapping[str, Any], _peer: Peer) -> None:
        self._asked_s = self._clock.now_s()
        message_id = str(args["id"])
        if message_id in self._letters:
            self._done(message_id, str(args["said"]), sent=bool(args["sent"]))

    async def _try(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        """Call one target about nothing; answer what it said."""
        target = str(args["target"])
        if target not in self._targets:
            known = ", ".join(sorted(self._targets)) or "none"
            raise RefusedError(f"there is no target {target!r}; known: {known}")
        self._trial_count += 1
        trial_id = f"trial-{self._clock.utc_ns():x}-{self._trial_count}"
        self._trials[trial_id] = asyncio.get_running_loop().create_future()
        if relay := self._relays.get(target):
            relay.call(trial_id)
        else:
            letter = trial_letter(trial_id, target, self._place)
            self._letters[trial_id] = _Letter(letter, self._clock.now_s())
        try:
            async with asyncio.timeout(TRIAL_WITHIN_S):
                sent, said = await self._trials[trial_id]
        except TimeoutError:
            raise RefusedError(f"{target}: no answer") from None
        finally:
            del self._trials[trial_id]
            self._letters.pop(trial_id, None)
        self._note(target, said, sent=sent)
        return {"sent": sent, "said": said}

    def _reading(self, event: Event) -> Reading | None:
        tag = event.tag
        number = None if tag is None else self._numbers.get(tag)
        row = None if number is None else self._latest.row(number)
        if tag is None or row is None:
            return None
        units = self._units.get(tag, "")
        quality = row.quality.name.lower()
        return Reading(row.value, units, quality, row.source_time_ns)

    def _make_relays(self, config: Config) -> Iterator[tuple[str, Relay]]:
        sources = {source.name: source for source in config.sources}
        for each in self._settings.relay:

            def holds(name: str = each.name) -> bool:
                return self._calling.holds(name, self._alarms.calls)

            def answered(message_id: str, said: str, sent: bool) -> None:  # noqa: FBT001 - the answer
                self._done(message_id, said, sent=sent)

            yield (
                each.name,
                Relay(
                    each,
                    sources[each.source],
                    clock=self._clock,
                    holds=holds,
                    answered=answered,
                ),
            )
