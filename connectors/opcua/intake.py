"""What comes in over one session, group by group, and its upkeep."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from appliance.domain.batch import batch_of, keep_alive
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from connectors.opcua.filling import Place
from connectors.opcua.limits import read_limits, standard_node
from connectors.opcua.message import decode_message
from connectors.opcua.notification import decode
from connectors.opcua.refusals import status_name
from connectors.opcua.roll import POLL, Roll
from connectors.opcua.services import Services
from connectors.opcua.values import time_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.event import Gap
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.opcua.checks import Checks
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.connection import Connection
    from connectors.opcua.monitored import Subscription
    from connectors.opcua.published import Published

    Put: TypeAlias = Callable[[Batch | Gap], None]

_CURRENT_TIME = standard_node("Server_ServerStatus_CurrentTime")
_SEMANTICS_CHANGED: Final = 0x0000_C000
"""Bits StructureChanged and SemanticsChanged of a StatusCode (Part 4, 7.39.1)."""
_LONGEST_RETRY_S: Final = 300.0
_SIGNS_OF_LIFE = 3


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message became; `lost` values are known never to come."""

    given: tuple[Batch | Gap, ...]
    lost: int = 0


class Intake:
    """The tags of a source over one session; it may move to a new connection.

    `on_batch` is called with each live batch as the server dated it. `places` says
    where each tag's values come from, by tag number; it stays current. Every method
    that waits raises `SourceUnavailableError` when the connection is lost.
    """

    def __init__(
        self, settings: OpcuaSettings, checks: Checks, *, clock: Clock
    ) -> None:
        self.on_batch: Callable[[Batch], None] = _nobody_looks
        self.places: dict[int, Place] = {}
        self._settings = settings
        self._checks = checks
        self._clock = clock
        self._numbers: Mapping[TagId, int] = {}
        self._begun: Roll | None = None
        self._heard_s: dict[int, float] = {}
        self._doubtful: set[int] = set()
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()

    async def begin(
        self, connection: Connection, numbers: Mapping[TagId, int], *, put: Put
    ) -> None:
        """Ask the server for its limits, and for all tags; put what it refuses."""
        services = Services(connection, await read_limits(connection))
        self._numbers = numbers
        self._begun = Roll(services, self._settings, numbers, self._checks)
        await self._observe_clock()
        # A new session knows nothing of what the last one refused.
        self._checks.refusals.status_of.clear()
        handles = range(1, len(self._settings.tags) + 1)
        self._put_refused(await self._roll.enlist(handles), put)
        self._notice_new()

    def move_to(self, connection: Connection) -> None:
        """Go on over a new connection that has taken up the same session."""
        self._roll.move_to(connection)
        self._heard_s.clear()
        self._notice_new()

    @property
    def subscriptions(self) -> Collection[Subscription]:
        """The subscriptions that we have in the server; the view stays current."""
        return self._roll.subscriptions.by_id.values()

    @property
    def may_be_polled(self) -> tuple[str, ...]:
        """The groups of which tags may have to be polled, sooner or later."""
        return tuple(
            name
            for name, group in self._settings.all_groups.items()
            if group.mode != "subscribe"
        )

    @property
    def _roll(self) -> Roll:
        assert self._begun is not None
        return self._begun

    async def subscribed(self) -> None:
        """Wait until there is a subscription to publish for."""
        while not self.subscriptions:
            self._changed.clear()
            await self._changed.wait()

    def patience_s(self) -> float:
        """How long to wait for the next message before one subscription is lost."""
        now_s = self._clock.now_s()
        left = (
            each.silence_s - (now_s - self._heard_s.get(each.id, now_s))
            for each in self.subscriptions
        )
        return max(0.0, min(left, default=_LONGEST_RETRY_S))

    def take(self, message: Published) -> Taken:
        """Return what a message says.

        Raises:
            SourceUnavailableError: The server has ended the subscription.
        """
        subscription = self._roll.subscriptions.by_id.get(message.subscription_id)
        if subscription is None:
            return Taken(())
        if message.ended is not None:
            reason = status_name(message.ended)
            raise SourceUnavailableError(f"the server ended it: {reason}")
        self._heard_s[subscription.id] = self._clock.now_s()
        decoded = decode_message(
            message,
            subscription.table,
            group=self.group_name(subscription.group),
            receive_ns=self._clock.utc_ns(),
        )
        # How many values a message had that never came, nobody knows: at least one.
        lost = decoded.overflows + len(message.missed)
        given = self._live(decoded.batch, subscription.group, subscription.id)
        return Taken(tuple(given), lost)

    async def run_polling(self, group: str, put: Put) -> None:
        """Read what of a group is polled, every publishing interval."""
        polled = self._roll.polled[group]
        period_s = self._settings.all_groups[group].publishing_interval_s
        while True:
            while not polled.items:
                self._changed.clear()
                await self._changed.wait()
            begun_s = self._clock.now_s()
            changes = await polled.read(self._roll.services)
            batch = decode(
                changes,
                polled.items,
                group=self.group_name(group),
                receive_ns=self._clock.utc_ns(),
            )
            for each in self._live(batch, group, POLL):
                put(each)
            spent_s = self._clock.now_s() - begun_s
            await self._clock.sleep(max(0.0, period_s - spent_s))

    async def run_upkeep(self, put: Put) -> None:
        """Try again what was refused, and look after clock, identity and losses."""
        pause_s = self._settings.retry_s
        while True:
            await self._pause(pause_s)
            await self._observe_clock()
            doubtful, self._doubtful = self._doubtful, set()
            if doubtful:
                self._put_refused(await self._roll.recheck(doubtful), put)
                self._notice_new()
            before = self._roll.refused
            if before:
                self._put_refused(await self._roll.enlist(before), put)
                self._notice_new()
            pause_s = self._next_pause_s(pause_s, before=len(before))
            gap = self._checks.overflows.ended(self._clock.now_s())
            if gap is not None:
                put(gap)

    def group_name(self, group: str) -> str:
        """Return the name by which the house knows a group."""
        return f"{self._settings.name}.{group}"

    def _next_pause_s(self, pause_s: float, *, before: int) -> float:
        """Return twice the pause while tags are refused and none comes back."""
        first_s = self._settings.retry_s
        if before == 0 or len(self._roll.refused) < before:
            return first_s
        return min(2 * pause_s, max(first_s, _LONGEST_RETRY_S))

    def _live(self, batch: Batch, group: str, part: int | str) -> Iterator[Batch | Gap]:
        """Yield what is to be told, and the confirmation of a group with many parts."""
        self.on_batch(batch)
        now_s = self._clock.now_s()
        batch = self._checks.judge_live(batch, now_s)
        self._doubt(batch)
        gap = self._checks.overflows.ended(now_s)
        if gap is not None:
            yield gap
        confirmations = self._roll.confirmations
        if confirmations.is_alone(group):
            yield batch
            return
        oldest_ns = confirmations.heard(group, part, batch.receive_time_ns)
        if batch.sample_count:
            yield replace(batch, confirms=False)
        if oldest_ns is not None:
            yield keep_alive(self.group_name(group), oldest_ns)

    def _doubt(self, batch: Batch) -> None:
        """Note the tags of which the server says that their meaning has changed."""
        changed = (batch.status & _SEMANTICS_CHANGED) != 0
        if changed.any():
            numbers = set(batch.tag[changed].tolist())
            self._doubtful |= {
                handle
                for handle, each in self._roll.live.items()
                if each.item.number in numbers
            }
            self._urgent.set()

    async def _observe_clock(self) -> None:
        (value,) = await self._roll.services.values([_CURRENT_TIME])
        content = None if value.Value is None else value.Value.Value
        server_ns = time_ns(content)
        if server_ns is not None:
            clock = self._checks.clock
            clock.observe_server(server_ns, self._clock.utc_ns())
            await asyncio.to_thread(self._checks.memory.keep, clock.taken_off_ns)

    async def _pause(self, seconds: float) -> None:
        if not self._roll.live:  # then nothing else would notice a dead connection
            seconds = min(seconds, _SIGNS_OF_LIFE * self._settings.keep_alive_s)
        self._urgent.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._urgent.wait()
        except TimeoutError:
            return

    def _notice_new(self) -> None:
        now_s = self._clock.now_s()
        for each in self.subscriptions:
            self._heard_s.setdefault(each.id, now_s)
        self.places.clear()
        for wanted in self._roll.live.values():
            number = wanted.item.number
            self.places[number] = Place(wanted.node, wanted.item)
        self._changed.set()

    def _put_refused(self, refused: Mapping[int, int], put: Put) -> None:
        """Put one bad row for each tag that is refused from now on."""
        by_group: dict[str, list[int]] = {}
        for handle in refused:
            group = self._settings.tags[handle - 1].group
            by_group.setdefault(group, []).append(handle)
        now_ns = self._clock.utc_ns()
        for group, handles in by_group.items():
            tags = [self._settings.tags[handle - 1].tag().id for handle in handles]
            put(
                batch_of(
                    [self._numbers[tag] for tag in tags],
                    np.full(len(tags), np.nan),
                    source_time_ns=now_ns,
                    receive_time_ns=now_ns,
                    quality=Quality.BAD,
                    status=[refused[handle] for handle in handles],
                    group=self.group_name(group),
                    confirms=False,
                )
            )


def _nobody_looks(batch: Batch) -> None:
    """Take no note of a batch."""
