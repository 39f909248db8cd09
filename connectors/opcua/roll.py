"""Which tags come in by which road over one session: subscribed, polled or refused."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connectors.opcua.confirming import Confirmations
from connectors.opcua.filters import deadband_of
from connectors.opcua.monitored import Wanted
from connectors.opcua.placing import Placing
from connectors.opcua.polling import Polled
from connectors.opcua.refusals import status_name
from connectors.opcua.subscription import Subscriptions
from connectors.opcua.wording import few

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.domain.tag import TagId
    from connectors.opcua.checks import Checks
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.connection import Connection
    from connectors.opcua.services import Services
    from connectors.opcua.tags import GroupSettings

log = logging.getLogger(__name__)

POLL: Final = "poll"
"""The part of a group that is polled."""


class Roll:
    """Enlists tags; one bad node hurts no other.

    `live` has the tags that come in, by handle; `polled` the polled ones of each group.
    """

    def __init__(
        self,
        services: Services,
        settings: OpcuaSettings,
        numbers: Mapping[TagId, int],
        checks: Checks,
    ) -> None:
        self.services = services
        self.subscriptions = Subscriptions(services, settings)
        self.polled = {name: Polled() for name in settings.all_groups}
        self.live: dict[int, Wanted] = {}
        self.confirmations = Confirmations({})
        self._settings = settings
        self._placing = Placing(settings, numbers, checks.identity)
        self._checks = checks

    def move_to(self, connection: Connection) -> None:
        """Go on over a new connection that has taken up the same session."""
        self.services = replace(self.services, connection=connection)
        self.subscriptions.services = self.services
        self._count_parts()

    @property
    def refused(self) -> list[int]:
        """The handles of the tags that are refused now."""
        status_of = self._checks.refusals.status_of
        return [
            handle
            for handle, tag in enumerate(self._settings.tags, start=1)
            if tag.id in status_of
        ]

    async def enlist(self, handles: Sequence[int]) -> dict[int, int]:
        """Try to get these tags; return the statuses of those newly refused.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        placed = await self._placing.place(self.services, handles)
        statuses = {h: found for h, found in placed.items() if isinstance(found, int)}
        by_group: defaultdict[str, list[Wanted]] = defaultdict(list)
        for found in placed.values():
            if isinstance(found, Wanted):
                by_group[found.settings.group].append(found)
        for name, wanted in by_group.items():
            group = self._settings.all_groups[name]
            refused = await self._enlist_group(group, wanted)
            statuses |= refused
            self.live |= {w.handle: w for w in wanted if w.handle not in refused}
        self._count_parts()
        return self._note(handles, statuses)

    async def recheck(self, handles: Iterable[int]) -> dict[int, int]:
        """Look whether live tags are still what they were; refuse those that are not.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        asked = [handle for handle in handles if handle in self.live]
        placed = await self._placing.place(self.services, asked)
        gone = {h: found for h, found in placed.items() if isinstance(found, int)}
        await self.subscriptions.drop(gone)
        for polled in self.polled.values():
            polled.drop(gone)
        for handle in gone:
            del self.live[handle]
        self._count_parts()
        return self._note(asked, gone)

    async def _enlist_group(
        self, group: GroupSettings, wanted: Sequence[Wanted]
    ) -> dict[int, int]:
        """Subscribe or poll; return the statuses of the refused."""
        if group.mode == "poll":
            self._poll(group, wanted)
            return {}
        outcome = await self.subscriptions.add(group, wanted)
        here = {h: each.here for h, each in outcome.filters.items()}
        self._checks.deadband.set(
            {each.item.number: here.get(each.handle) for each in wanted}
        )
        if group.mode == "subscribe":
            return dict(outcome.refused) | dict(outcome.no_room)
        rest = [each for each in wanted if each.handle in outcome.no_room]
        if rest:
            self._poll(group, rest)
            names = few([each.item.tag.id for each in rest])
            reason = status_name(outcome.no_room[rest[0].handle])
            log.warning(
                "source %s: polled, not monitored (%s): %s",
                self._settings.name, reason, names,
            )  # fmt: skip
        return dict(outcome.refused)

    def _poll(self, group: GroupSettings, wanted: Sequence[Wanted]) -> None:
        self.polled[group.name].add(wanted)
        ranges = {each.handle: self._range_of(each) for each in wanted}
        self._checks.deadband.set(
            {
                each.item.number: deadband_of(each.settings, ranges[each.handle])
                for each in wanted
            }
        )

    def _range_of(self, wanted: Wanted) -> tuple[float, float] | None:
        return self._checks.identity.eu_range(wanted.item.tag.id)

    def _count_parts(self) -> None:
        parts: dict[str, set[int | str]] = {name: set() for name in self.polled}
        for subscription in self.subscriptions.by_id.values():
            parts[subscription.group].add(subscription.id)
        for name, polled in self.polled.items():
            if polled.items:
                parts[name].add(POLL)
        self.confirmations = Confirmations(parts)

    def _note(
        self, handles: Sequence[int], statuses: Mapping[int, int]
    ) -> dict[int, int]:
        status_of = self._checks.refusals.status_of
        news: dict[int, int] = {}
        for handle in handles:
            name = self._settings.tags[handle - 1].tag().id
            status = statuses.get(handle)
            if status == status_of.get(name):
                continue
            if status is None:
                del status_of[name]
                log.info("source %s: %s: monitored now", self._settings.name, name)
                continue
            news[handle] = status_of[name] = status
            reason = status_name(status)
            log.warning(
                "source %s: %s: not monitored: %s", self._settings.name, name, reason
            )
        return news
