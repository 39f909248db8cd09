"""What outlives a connection: the session, its subscriptions, and what is missing."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from asyncua import ua

from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.backfill import Backfill
from connectors.opcua.continuity import NS_PER_US, Continuity
from connectors.opcua.filling import Place
from connectors.opcua.notification import decode
from connectors.opcua.resumption import Resumption

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Callable,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.connection import Connection
    from connectors.opcua.inbox import Inbox
    from connectors.opcua.monitored import Subscription
    from connectors.opcua.notification import Item
    from connectors.opcua.sequence import Sequence as MessageNumbers

_MESSAGES_RESENT = 5_000
_NODES_PER_READ = 100
_NOT_AVAILABLE = frozenset(
    {
        ua.StatusCodes.BadMessageNotAvailable,
        ua.StatusCodes.BadSubscriptionIdInvalid,
        ua.StatusCodes.BadServiceUnsupported,
    }
)


@dataclass(frozen=True, slots=True)
class Held:
    """What a connection has in the server: its subscriptions, and whose values."""

    connection: Connection
    subscriptions: Collection[Subscription]
    places: Mapping[int, Place]


def places_of(
    nodes: Iterable[tuple[int, ua.NodeId | None]], items: Iterable[Item]
) -> dict[int, Place]:
    """Return where each monitored tag's values come from, by tag number."""
    by_number = {item.number: item for item in items}
    return {
        number: Place(node, by_number[number])
        for number, node in nodes
        if node is not None and number in by_number
    }


class Recovery:
    """Takes up what the server has kept, and has history fill the rest.

    `numbers` of messages, by subscription, go on where they stopped. `resumed` counts
    the sessions taken up.
    """

    def __init__(
        self,
        settings: OpcuaSettings,
        clock: Clock,
        *,
        judge: Callable[[Batch], Batch],
        taken_off_ns: Callable[[], int],
    ) -> None:
        self.backfill = Backfill(settings, clock, taken_off_ns=taken_off_ns)
        self.numbers: dict[int, MessageNumbers] = {}
        self.resumed = 0
        self._clock = clock
        self._judge = judge
        self._settings = settings
        self._taken_off_ns = taken_off_ns
        self._stored_ns: Mapping[TagId, int] = {}
        self._continuity = Continuity(())
        self._names: Mapping[int, TagId] = {}
        self._numbers: Mapping[TagId, int] = {}
        self._resumption: Resumption | None = None
        self._held: Held | None = None

    @property
    def lost(self) -> Connection | None:
        """The lost connection whose session the server may still have."""
        return None if self._held is None else self._held.connection

    @property
    def unfilled_ns(self) -> Mapping[TagId, int]:
        """From which source time on the past of a tag may not be whole."""
        if self._resumption is None:
            return self._stored_ns
        off_ns = self._taken_off_ns()
        found = self._continuity.awaited_ns
        for number, from_ns in self.backfill.unfilled_ns.items():
            found[number] = min(from_ns, found.get(number, from_ns))
        return {
            self._names[number]: from_ns - off_ns for number, from_ns in found.items()
        }

    def resume_from(self, newest_ns: Mapping[TagId, int]) -> None:
        """Say what is stored, with our times; called before `begin`."""
        self._stored_ns = newest_ns

    def begin(self, numbers: Mapping[TagId, int]) -> None:
        """Learn the tag numbers, which never change."""
        if self._numbers:
            return
        self._numbers = numbers
        self._names = {number: tag for tag, number in numbers.items()}
        self._continuity = Continuity(numbers.values())

    def resume(self, *, kept_ns: int | None) -> None:
        """Go on from what is stored, once, as soon as the server's clock is known.

        `kept_ns` is what was taken off its times before our restart, if we know.
        """
        if self._resumption is not None:
            return
        numbers = self._numbers
        stored_ns = {
            numbers[tag]: time_ns
            for tag, time_ns in self._stored_ns.items()
            if tag in numbers
        }
        self._resumption = Resumption(
            stored_ns,
            replaces=self._settings.clock == "replace",
            taken_off_ns=self._taken_off_ns(),
            kept_ns=kept_ns,
            tolerance_ns=round(self._settings.clock_tolerance_s * 1e9),
        )
        self._continuity.resume_from(self._resumption.newest_ns)
        self._continuity.expect(certain=True)

    def hold(self, held: Held) -> None:
        """Remember what the connection has in the server, for after its loss."""
        self._held = held

    def forget(self) -> None:
        """The session was closed: there is nothing to take up."""
        self._held = None

    def expect(self) -> None:
        """What comes next may come after values that never will."""
        self._continuity.expect(certain=True)

    def see(self, batch: Batch) -> None:
        """Take note of a live batch, as the server dated it."""
        holes = self._continuity.see(batch)
        lost = {} if self._resumption is None else self._resumption.unfillable(batch)
        for reason, some in lost.items():
            self.backfill.abandon(some, reason)
        given_up = {hole.number for some in lost.values() for hole in some}
        fillable = [hole for hole in holes if hole.number not in given_up]
        if fillable:
            self.backfill.add(fillable)

    async def take_up(self, connection: Connection, inbox: Inbox) -> Held | None:
        """Go on with the subscriptions of before, None if they are not there any more.

        Messages that were sent into the void are sent again. A value that stood still
        all the time comes once more, with its time of before, because it was shown as
        bad meanwhile. Nothing counts as received until all of it is here: when this
        connection is lost on the way, the next one begins anew.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        held = self._held
        if held is None or not await _still_there(connection, held.subscriptions):
            self.numbers.clear()
            self._continuity.expect(certain=True)
            return None
        numbers = {each: copy(known) for each, known in self.numbers.items()}
        again = [
            self._decoded(message, subscription.items)
            for subscription in held.subscriptions
            async for message in _sent_again(connection, subscription.id, numbers)
        ]
        standing = [each async for each in _standing(connection, held.places.values())]
        # From here on nothing waits, so nothing can be lost between.
        self.resumed += 1
        self.numbers.update(numbers)
        self._held = replace(held, connection=connection)
        for batch in again:
            self.see(batch)
            inbox.put(self._judge(batch))
        self._continuity.expect(certain=False)
        for places, values in standing:
            inbox.put(self._judge(self._unchanged(places, values)))
        return self._held

    async def fill(self, connection: Connection, inbox: Inbox) -> None:
        """Fill holes until the connection is lost; `hold` comes first."""
        assert self._held is not None
        places = self._held.places
        try:
            await self.backfill.run(connection, places, inbox, judge=self._judge)
        except SourceUnavailableError as error:
            inbox.fail(error)

    def _decoded(
        self, message: ua.NotificationMessage, items: Mapping[int, Item]
    ) -> Batch:
        changes: list[ua.MonitoredItemNotification] = []
        for part in message.NotificationData or ():
            if isinstance(part, ua.DataChangeNotification):
                changes += part.MonitoredItems or ()
        return decode(changes, items, group="", receive_ns=self._clock.utc_ns())

    def _unchanged(
        self, places: Sequence[Place], values: Sequence[ua.DataValue]
    ) -> Batch:
        changes = [
            ua.MonitoredItemNotification(ClientHandle=place.item.number, Value=value)
            for place, value in zip(places, values, strict=True)
        ]
        items = {place.item.number: place.item for place in places}
        batch = decode(changes, items, group="", receive_ns=self._clock.utc_ns())
        newest = self._continuity.newest_of(batch.tag)
        same = batch.source_time_ns // NS_PER_US <= newest // NS_PER_US
        texts = tuple(
            text
            for text in batch.texts
            if text.source_time_ns - self._continuity.newest_ns(text.tag) < NS_PER_US
        )
        return replace(batch.where(same), texts=texts, confirms=False)


async def _still_there(
    connection: Connection, subscriptions: Collection[Subscription]
) -> bool:
    """Ask in a way that changes nothing whether the server has the subscriptions."""
    if not connection.resumed or not subscriptions:
        return False
    ids = [subscription.id for subscription in subscriptions]
    request = ua.SetPublishingModeParameters(
        PublishingEnabled=True, SubscriptionIds=ids
    )
    with connection.guarded():
        try:
            results = await connection.session.set_publishing_mode(request)
        except ua.UaStatusCodeError as error:
            if error.code not in _NOT_AVAILABLE:
                raise
            return False
    return all(result.is_good() for result in results)


async def _sent_again(
    connection: Connection, subscription: int, numbers: Mapping[int, MessageNumbers]
) -> AsyncIterator[ua.NotificationMessage]:
    """Yield the messages that the server sent and we never received."""
    known = numbers.get(subscription)
    for _ in range(_MESSAGES_RESENT):
        if known is None or known.expected is None:
            return
        message = await _republished(connection, subscription, known.expected)
        if message is None:
            return
        known.missing(message.SequenceNumber)
        yield message


async def _standing(
    connection: Connection, known: Iterable[Place]
) -> AsyncIterator[tuple[Sequence[Place], Sequence[ua.DataValue]]]:
    """Yield what stands in the server now, to find what has not changed."""
    places = [place for place in known if place.item.sample_rate_hz is None]
    for start in range(0, len(places), _NODES_PER_READ):
        some = places[start : start + _NODES_PER_READ]
        yield some, await connection.read([place.node for place in some])


async def _republished(
    connection: Connection, subscription: int, number: int
) -> ua.NotificationMessage | None:
    """Return a message that the server kept, None if it has no such message.

    asyncua's own server answers with an empty message instead of refusing.
    """
    await connection.renew_if_due()
    with connection.guarded():
        try:
            message = await connection.session.republish(subscription, number)
        except ua.UaStatusCodeError as error:
            if error.code not in _NOT_AVAILABLE:
                raise
            return None
    return message if message.NotificationData else None
