"""How far one hole is filled, page by page: pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from asyncua import ua

from appliance.domain.event import Gap
from connectors.opcua.continuity import NS_PER_US
from connectors.opcua.notification import decode
from connectors.opcua.values import time_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.batch import Batch
    from connectors.opcua.continuity import Hole
    from connectors.opcua.history import Page
    from connectors.opcua.notification import Item

_IDLE_PAGES = 3
_TAGS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values of a tag come from."""

    node: ua.NodeId
    item: Item


@dataclass(slots=True)
class Filling:
    """A hole being filled: values strictly inside it, each time once.

    `reaches_back` says that the history has the value before the hole, or an older
    one; `is_whole` that it has the one after it. `more` pages wait at `point`. A page
    that is full and leads nowhere is `cut_short`. `status` is bad if the server
    refused.
    """

    hole: Hole
    place: Place
    point: bytes | None = None
    more: bool = True
    cut_short: bool = False
    status: int = 0
    reaches_back: bool = False
    first_ns: int | None = None
    _filled_us: int = field(init=False)
    _delivered_us: int = field(init=False)
    _seen_us: int = 0
    _idle_pages: int = 0

    def __post_init__(self) -> None:
        self._filled_us = self._delivered_us = self.hole.from_ns // NS_PER_US

    @property
    def is_whole(self) -> bool:
        """Whether the history has come as far as the end of the hole."""
        return self._seen_us >= self.hole.to_ns // NS_PER_US

    @property
    def rest(self) -> Hole:
        """What is left of the hole behind what was `delivered`."""
        if self._delivered_us == self.hole.from_ns // NS_PER_US:
            return self.hole
        return replace(self.hole, from_ns=self._delivered_us * NS_PER_US)

    def delivered(self) -> None:
        """Take note that all that was taken has gone on."""
        self._delivered_us = self._filled_us

    def take(self, page: Page, rows_asked: int) -> list[ua.DataValue]:
        """Return what of a page belongs into the hole."""
        if page.status >> 31:
            self.status, self.more = page.status, False
            return []
        before_us = self._seen_us
        fresh = [value for value in page.values if self._is_fresh(value)]
        self.point = page.point
        self.cut_short = page.point is None and len(page.values) >= rows_asked
        # A server whose pages lead on without getting on must not keep us for ever.
        self._idle_pages = 0 if self._seen_us > before_us else self._idle_pages + 1
        if page.point is not None and self._idle_pages >= _IDLE_PAGES:
            self.status = ua.StatusCodes.BadContinuationPointInvalid
        self.more = page.point is not None and not self.status
        return fresh

    def _is_fresh(self, value: ua.DataValue) -> bool:
        when_ns = time_ns(value.SourceTimestamp) or time_ns(value.ServerTimestamp)
        if when_ns is None:
            return False
        when_us = when_ns // NS_PER_US
        self._seen_us = max(self._seen_us, when_us)
        if when_us <= self.hole.from_ns // NS_PER_US:
            self.reaches_back = True
        if not self._filled_us < when_us < self.hole.to_ns // NS_PER_US:
            return False
        self._filled_us = when_us
        if self.first_ns is None:
            self.first_ns = when_ns
        return True


def historical(rows: Sequence[tuple[Place, ua.DataValue]], *, receive_ns: int) -> Batch:
    """Return rows of history as a batch that confirms nothing."""
    changes = [
        ua.MonitoredItemNotification(ClientHandle=place.item.number, Value=value)
        for place, value in rows
    ]
    items = {place.item.number: place.item for place, _ in rows}
    batch = decode(changes, items, group="", receive_ns=receive_ns)
    return replace(batch, historical=True, confirms=False)


@dataclass(slots=True)
class GivenUp:
    """Holes that stay, for one reason; one gap tells of them all."""

    holes: list[Hole] = field(default_factory=list)

    def gap(self, reason: str, names: Sequence[str]) -> Gap:
        """Return the gap that covers them; nobody knows how many values it has."""
        named = ", ".join(names[:_TAGS_NAMED])
        others = len(names) - _TAGS_NAMED
        more = f" and {others} more" if others > 0 else ""
        return Gap(
            what="acquisition",
            reason=f"{reason} ({named}{more})",
            from_ns=min(hole.from_ns for hole in self.holes),
            to_ns=max(hole.to_ns for hole in self.holes),
            count=-1,
        )
