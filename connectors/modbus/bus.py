"""All devices of one source in turn: who is asked next, and what silence means.

A silent device makes its own tags bad and is left alone but for probes; the others go
on at their rate. Only when the line itself is lost, the source is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.breaker import BreakerState, LineWatch
from connectors.modbus.poll import Poll
from connectors.modbus.schedule import ProbeAllowance, Schedule
from connectors.modbus.station import NoAnswerError, RefusedError
from connectors.modbus.survey import GATEWAY_SILENCE, UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.modbus.line import Line
    from connectors.modbus.resident import Group, Resident

_LOOK_AGAIN_S = 0.02
"""While another line has taken turns that may come back earlier than planned."""


class Bus:
    """The devices of a source while its connection lasts, on one line or several."""

    def __init__(
        self,
        residents: Sequence[Resident],
        numbers: Mapping[TagId, int],
        clock: Clock,
    ) -> None:
        now_s = clock.now_s()
        self._clock = clock
        self._numbers = numbers
        self._residents = [each for each in residents if each.groups]
        self._owner = {group: each for each in self._residents for group in each.groups}
        self._polls = {
            group: Poll(group.name, group.survey, group.tags, numbers)
            for group in self._owner
        }
        self._schedule: Schedule[Group] = Schedule(
            {group: group.period_s for group in self._owner}, now_s=now_s
        )
        self._watch = LineWatch(len(self._residents))
        self._allowance = ProbeAllowance()
        for each in self._residents:
            each.breaker.forget_probe(now_s=now_s)
            each.breaker.hurry(now_s=now_s)
            if each.breaker.state is not BreakerState.CLOSED:
                self._schedule.park(each.groups)

    async def run(self, line: Line) -> AsyncGenerator[Batch, None]:
        """Ask for ever over this line; yield one batch per poll.

        Raises:
            SourceUnavailableError: The line is lost, or nobody on it answers.
        """
        clock = self._clock
        while self._residents:
            now_s = clock.now_s()
            silent, probe_s = self._next_probe()
            if silent is not None and probe_s <= now_s:
                for batch in await self._probe(line, silent):
                    yield batch
                continue
            group = self._schedule.take(now_s=now_s)
            if group is None:
                await clock.sleep(self._idle_s(probe_s, now_s))
                continue
            for batch in await self._poll(line, group):
                yield batch

    def _idle_s(self, probe_s: float, now_s: float) -> float:
        wake_s = min(self._schedule.due_s, probe_s)
        if self._schedule.has_taken:
            wake_s = min(wake_s, now_s + _LOOK_AGAIN_S)
        return wake_s - now_s

    def _next_probe(self) -> tuple[Resident | None, float]:
        """Return the silent device that should be asked next, and from when."""
        found: Resident | None = None
        moment_s = math.inf
        for each in self._residents:
            if each.breaker.state is BreakerState.OPEN:
                ready_s = each.breaker.probe_s
                if ready_s < moment_s:
                    found, moment_s = each, ready_s
        if found is not None:
            moment_s = self._allowance.moment_s(
                moment_s, due_s=self._schedule.due_s, cost_s=found.device.timeout_s
            )
        return found, moment_s

    async def _poll(self, line: Line, group: Group) -> Iterable[Batch]:
        resident, clock = self._owner[group], self._clock
        polled = await self._polls[group].read(line.station(resident.device), clock)
        now_s = clock.now_s()
        if polled.failure is None:
            self._schedule.done(group, now_s=now_s)
            self._heard(resident)
            return (polled.batch,)
        given_up = self._missed(resident, polled.failure)
        self._schedule.done(group, now_s=now_s)
        if not given_up:
            return (polled.batch,)
        self._schedule.park(resident.groups)
        return (polled.batch, *self._all_bad(resident))

    async def _probe(self, line: Line, resident: Resident) -> Iterable[Batch]:
        """Ask a silent device for the smallest thing it has."""
        clock = self._clock
        begun_s = clock.now_s()
        if not resident.breaker.begin_probe(now_s=begun_s):
            return ()
        station = line.station(resident.device)
        failure: NoAnswerError | UnreachableError | None = None
        try:
            await station.read(resident.groups[0].survey.smallest)
        except RefusedError as error:
            if error.code in GATEWAY_SILENCE:
                failure = UnreachableError(f"the gateway says: {error}")
        except NoAnswerError as error:
            if not line.connected:
                raise
            failure = error
        now_s = clock.now_s()
        late_s = max(0.0, now_s - self._schedule.due_s)
        self._allowance.note_spent(min(late_s, now_s - begun_s), now_s=now_s)
        if failure is None:
            self._heard(resident)
        else:
            self._missed(resident, failure)
        return ()

    def _heard(self, resident: Resident) -> None:
        self._watch.note_answer(resident)
        if resident.note_answer():
            self._schedule.resume(resident.groups, now_s=self._clock.now_s())

    def _missed(
        self, resident: Resident, failure: NoAnswerError | UnreachableError
    ) -> bool:
        """Note a silence; say whether the device is given up by it.

        Raises:
            SourceUnavailableError: It is not the device but the line.
        """
        given_up = resident.note_failure(str(failure), now_s=self._clock.now_s())
        is_silent = isinstance(failure, NoAnswerError)  # a gateway is a sign of life
        is_open = resident.breaker.state is BreakerState.OPEN
        if is_silent and is_open and self._watch.note_given_up(resident):
            raise SourceUnavailableError(f"nobody answers: {failure}") from failure
        return given_up

    def _all_bad(self, resident: Resident) -> Iterable[Batch]:
        return resident.bad_batches(self._numbers, time_ns=self._clock.utc_ns())
