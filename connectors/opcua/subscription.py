"""The subscriptions of one session, sized to what its server can take."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Final

from asyncua import ua

from connectors.opcua.filters import REFUSALS
from connectors.opcua.limits import TooManyError, in_portions, portion, unless_too_many
from connectors.opcua.monitored import Outcome, Subscription, item_request
from connectors.opcua.wording import few

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.filters import Filter
    from connectors.opcua.monitored import Wanted
    from connectors.opcua.services import Services
    from connectors.opcua.tags import GroupSettings

log = logging.getLogger(__name__)

_MISSED_KEEP_ALIVES = 3
_LIFETIME_KEEP_ALIVES = 10  # Part 4 asks for at least three
_FULL: Final = frozenset(
    {ua.StatusCodes.BadTooManyMonitoredItems, ua.StatusCodes.BadTooManyOperations}
)
_NO_SUBSCRIPTION: Final = frozenset(
    {
        ua.StatusCodes.BadTooManySubscriptions,
        ua.StatusCodes.BadTooManyMonitoredItems,
        ua.StatusCodes.BadServiceUnsupported,
        ua.StatusCodes.BadNotSupported,
        ua.StatusCodes.BadNotImplemented,
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadOutOfMemory,
        ua.StatusCodes.BadResourceUnavailable,
    }
)
"""By these a server refuses one subscription more; others are a loss."""


class Subscriptions:
    """Spreads tags over as few subscriptions as the server's limits allow.

    Every method raises `SourceUnavailableError` when the connection is lost.
    """

    def __init__(self, services: Services, settings: OpcuaSettings) -> None:
        self.services = services
        self.by_id: dict[int, Subscription] = {}
        self._settings = settings

    async def add(self, group: GroupSettings, wanted: Sequence[Wanted]) -> Outcome:
        """Monitor tags of one group; one bad node hurts no other."""
        refused: dict[int, int] = {}
        filters: dict[int, Filter] = {}
        waiting = list(wanted)
        status = int(ua.StatusCodes.BadTooManyMonitoredItems)
        while waiting and self._room_in_server() > 0:
            subscription = self._with_room(group)
            if subscription is None:
                created = await self._create(group)
                if isinstance(created, int):
                    status = created
                    break
                subscription = created
            some = waiting[: self._room(subscription)]
            answers = await self._monitor(subscription, some, group, filters)
            full = [each for each in some if answers.get(each.handle, 0) in _FULL]
            refused |= {
                handle: answer
                for handle, answer in answers.items()
                if answer not in _FULL
            }
            waiting = full + waiting[len(some) :]
            subscription.full = subscription.full or bool(full)
            if full and not subscription.ids:
                await self._delete(subscription)
                break
        no_room = dict.fromkeys((each.handle for each in waiting), status)
        self._say_filters(wanted, filters)
        return Outcome(refused, no_room, filters)

    async def drop(self, handles: Iterable[int]) -> None:
        """Monitor these no more."""
        gone = set(handles)
        for subscription in self.by_id.values():
            ids = [subscription.ids[each] for each in gone & subscription.ids.keys()]
            subscription.forget(gone & subscription.items.keys())
            if not ids:
                continue
            request = ua.DeleteMonitoredItemsParameters(
                SubscriptionId=ua.UInt32(subscription.id),
                MonitoredItemIds=[ua.UInt32(each) for each in ids],
            )
            connection = self.services.connection
            with connection.guarded():
                await connection.session.delete_monitored_items(request)

    def _with_room(self, group: GroupSettings) -> Subscription | None:
        for subscription in self.by_id.values():
            own = subscription.group == group.name and not subscription.full
            if own and self._room(subscription) > 0:
                return subscription
        return None

    def _room(self, subscription: Subscription) -> int:
        limit = self.services.limits.items_per_subscription
        here = math.inf if limit is None else limit - len(subscription.items)
        return int(min(here, self._room_in_server(), 1 << 31))

    def _room_in_server(self) -> float:
        limit = self.services.limits.items
        have = sum(len(each.items) for each in self.by_id.values())
        return math.inf if limit is None else limit - have

    async def _create(self, group: GroupSettings) -> Subscription | int:
        """Create a subscription, or return the status by which it is refused."""
        limit = self.services.limits.subscriptions_of_ours
        if limit is not None and len(self.by_id) >= limit:
            return int(ua.StatusCodes.BadTooManySubscriptions)
        connection = self.services.connection
        with connection.guarded():
            try:
                created = await connection.session.create_subscription(
                    self._parameters(group), _ignore
                )
            except ua.UaStatusCodeError as error:
                if error.code not in _NO_SUBSCRIPTION:
                    raise
                return int(error.code)
        period_s = created.RevisedPublishingInterval / 1000
        subscription = Subscription(
            id=created.SubscriptionId,
            group=group.name,
            silence_s=_MISSED_KEEP_ALIVES * period_s * created.RevisedMaxKeepAliveCount,
        )
        self.by_id[subscription.id] = subscription
        return subscription

    async def _delete(self, subscription: Subscription) -> None:
        del self.by_id[subscription.id]
        connection = self.services.connection
        with connection.guarded():
            await connection.session.delete_subscriptions([subscription.id])

    async def _monitor(
        self,
        subscription: Subscription,
        wanted: Sequence[Wanted],
        group: GroupSettings,
        filters: dict[int, Filter],
    ) -> dict[int, int]:
        """Create items; return the bad statuses by handle."""
        subscription.expect(wanted)
        bad: dict[int, int] = {}
        pending, rung = list(wanted), 0
        while pending:
            answers = await self._call(subscription, pending, group, rung)
            again: list[Wanted] = []
            for each, (status, item_id) in zip(pending, answers, strict=True):
                if not status >> 31:
                    subscription.ids[each.handle] = item_id
                    if rung:
                        filters[each.handle] = each.filters[rung]
                elif status in REFUSALS and rung + 1 < len(each.filters):
                    again.append(each)
                else:
                    bad[each.handle] = status
            pending, rung = again, rung + 1
        subscription.forget(bad)
        return bad

    async def _call(
        self,
        subscription: Subscription,
        wanted: Sequence[Wanted],
        group: GroupSettings,
        rung: int,
    ) -> list[tuple[int, int]]:
        """Return status and item number of each."""

        async def create(some: Sequence[Wanted]) -> list[tuple[int, int]]:
            request = ua.CreateMonitoredItemsParameters(
                SubscriptionId=ua.UInt32(subscription.id),
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[item_request(each, group, rung) for each in some],
            )
            connection = self.services.connection
            call = partial(connection.session.create_monitored_items, request)
            try:
                results = await unless_too_many(connection, call)
            except TooManyError as error:
                if len(some) == 1:
                    return [(error.status, 0)]
                raise
            return [
                (int(each.StatusCode.value), int(each.MonitoredItemId))
                for each in results
            ]

        size = portion(self.services.limits.items_per_call)
        return await in_portions(wanted, size, create)

    def _parameters(self, group: GroupSettings) -> ua.CreateSubscriptionParameters:
        period_s = group.publishing_interval_s
        keep_alives = max(1, round(self._settings.keep_alive_s / period_s))
        return ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=ua.Double(period_s * 1000),
            RequestedLifetimeCount=ua.UInt32(_LIFETIME_KEEP_ALIVES * keep_alives),
            RequestedMaxKeepAliveCount=ua.UInt32(keep_alives),
        )

    def _say_filters(
        self, wanted: Sequence[Wanted], filters: Mapping[int, Filter]
    ) -> None:
        softened: dict[str, list[Wanted]] = {}
        for each in wanted:
            has = each.settings.deadband or each.settings.deadband_pct
            if has and each.handle in filters:
                words = filters[each.handle].words()
                softened.setdefault(words, []).append(each)
        for words, those in softened.items():
            names = few([each.item.tag.id for each in those])
            log.warning(
                "source %s: the server refuses the deadband of %s: %s",
                self._settings.name, names, words,
            )  # fmt: skip


def _ignore(result: object) -> None:
    """Take no notification: they come as the answers to our own publish requests."""
