"""An OPC UA server as a source: it tells us what changes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.tasks import companions
from connectors.opcua.checks import Checks
from connectors.opcua.connection import Connection
from connectors.opcua.inbox import Inbox
from connectors.opcua.intake import Intake
from connectors.opcua.publishing import PublishRequests
from connectors.opcua.recovery import Held, Recovery
from connectors.opcua.security import Security
from connectors.opcua.tags import DEFAULT_GROUP

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Callable,
        Coroutine,
        Iterator,
        Mapping,
        Sequence,
    )

    from appliance.domain.batch import Batch
    from appliance.domain.diagnostic import Diagnostic
    from appliance.domain.event import Gap
    from appliance.domain.ports import Clock, Diagnosed
    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings


class OpcuaSource:
    """Subscribes to (or polls) every tag; one batch per notification message.

    A message without changes is the server's keep-alive: it confirms its group.
    """

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lost_before = 0
        self._inbox: Inbox | None = None
        self._checks: Checks | None = None
        self._intake: Intake | None = None
        self._recovery = Recovery(
            settings, clock, judge=self._judge, taken_off_ns=self._taken_off_ns
        )
        # Whoever knows what is wrong registers here; what it says is shown as alarms.
        self._security = Security(settings, clock)
        self._diagnosed: list[Diagnosed] = [self._security]

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._settings.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """The tags by group; `source.subscription` is the default one."""
        found: dict[str, list[TagId]] = {}
        for tag in self._settings.tags:
            group = f"{self.name}.{tag.group}"
            found.setdefault(group, []).append(tag.tag().id)
        return found or {f"{self.name}.{DEFAULT_GROUP}": []}

    @property
    def lost(self) -> int:
        """Samples known to be lost on the way here, since the start."""
        return self._lost_before + (0 if self._inbox is None else self._inbox.lost)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What stands now, of every part that knows what is wrong with itself."""
        return tuple(fault for part in self._diagnosed for fault in part.diagnostics)

    def resume_from(self, newest_ns: Mapping[TagId, int]) -> None:
        """Say what is already stored, so that history fills what came after it."""
        self._recovery.resume_from(newest_ns)

    @property
    def unfilled_ns(self) -> Mapping[TagId, int]:
        """From which source time on a tag's past is not whole, if it is not."""
        return self._recovery.unfilled_ns

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch | Gap]]:
        """Connect, and yield batches until the connection is lost.

        The session of a connection that was lost is taken up again if it can be.

        Raises:
            SourceUnavailableError: The connection failed or was lost.
        """
        recovery, checks = self._recovery, self._known_checks(numbers)
        recovery.begin(numbers)
        connection = await Connection.connect(
            self._settings,
            self._clock,
            keep_session=True,
            resume=recovery.lost,
            security=self._security,
        )
        try:
            inbox = self._new_inbox()
            intake = self._intake
            if await recovery.take_up(connection, inbox) and intake is not None:
                intake.move_to(connection)
            else:
                intake = Intake(self._settings, checks, clock=self._clock)
                kept_ns = await asyncio.to_thread(checks.recall)
                await intake.begin(connection, numbers, put=inbox.add)
                recovery.resume(kept_ns=kept_ns)
                recovery.hold(Held(connection, intake.subscriptions, intake.places))
            intake.on_batch = recovery.see
            self._intake = intake
            async with companions() as tasks:
                for name, work in self._work(connection, intake, inbox):
                    feeding = _feed(inbox, work)
                    tasks.start(feeding, name=f"source.{self.name}.{name}")
                yield inbox
        finally:
            if not connection.is_lost:
                recovery.forget()
            await connection.leave()

    def _work(
        self, connection: Connection, intake: Intake, inbox: Inbox
    ) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Yield what goes on for as long as the connection lasts, with its name."""
        yield "publish", partial(self._listen, connection, intake, inbox)
        yield "backfill", partial(self._recovery.fill, connection, inbox)
        yield "upkeep", partial(intake.run_upkeep, inbox.add)
        yield "certificate", connection.keep_certificate_current
        for group in intake.may_be_polled:
            yield f"poll.{group}", partial(intake.run_polling, group, inbox.add)

    async def _listen(
        self, connection: Connection, intake: Intake, inbox: Inbox
    ) -> None:
        """Ask for notification after notification until the connection is lost."""
        requests = PublishRequests(connection, sequences=self._recovery.numbers)
        while True:
            await intake.subscribed()
            message = await requests.next(within_s=intake.patience_s())
            if message.missed:
                self._recovery.expect()
            with connection.guarded():  # bytes that are no message are a loss, too
                taken = intake.take(message)
            inbox.count_lost(taken.lost)
            for each in taken.given:
                inbox.add(each)

    def _taken_off_ns(self) -> int:
        return 0 if self._checks is None else self._checks.clock.taken_off_ns

    def _judge(self, batch: Batch) -> Batch:
        """Return a batch that is not live as it is to be shown."""
        return batch if self._checks is None else self._checks.judge(batch)

    def _known_checks(self, numbers: Mapping[TagId, int]) -> Checks:
        """Return what outlives connections; tag numbers never change."""
        if self._checks is None:
            self._checks = Checks(self._settings, numbers)
            self._diagnosed.append(self._checks)
        return self._checks

    def _new_inbox(self) -> Inbox:
        self._lost_before = self.lost
        self._inbox = Inbox(self.name, self._settings.queue_messages)
        return self._inbox


async def _feed(inbox: Inbox, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do the work; the loss of the connection comes behind what waits in the inbox."""
    try:
        await work()
    except SourceUnavailableError as error:
        inbox.fail(error)
