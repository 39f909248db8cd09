"""Tags that are asked for: because they shall be, or because there was no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.opcua.monitored import Wanted
    from connectors.opcua.notification import Item
    from connectors.opcua.services import Services


class Polled:
    """The polled tags of one group, and what each said when it was last read.

    As in a subscription, what has not changed is not told again: it is confirmed, and
    keeps the time it had.
    """

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self._nodes: dict[int, ua.NodeId] = {}
        self._last: dict[int, tuple[ua.Variant | None, int]] = {}

    def add(self, wanted: Iterable[Wanted]) -> None:
        """Take up tags."""
        for each in wanted:
            self.items[each.handle] = each.item
            self._nodes[each.handle] = each.node

    def drop(self, handles: Iterable[int]) -> None:
        """Ask for these no more."""
        for handle in handles:
            self.items.pop(handle, None)
            self._nodes.pop(handle, None)
            self._last.pop(handle, None)

    async def read(self, services: Services) -> list[ua.MonitoredItemNotification]:
        """Read all; return what has changed since.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        handles = list(self._nodes)
        values = await services.values([self._nodes[handle] for handle in handles])
        return [
            ua.MonitoredItemNotification(ua.UInt32(handle), value)
            for handle, value in zip(handles, values, strict=True)
            if self._is_news(handle, value)
        ]

    def _is_news(self, handle: int, value: ua.DataValue) -> bool:
        status = 0 if value.StatusCode is None else int(value.StatusCode.value)
        said = (value.Value, status)
        if handle not in self._nodes or self._last.get(handle) == said:
            return False
        self._last[handle] = said
        return True
