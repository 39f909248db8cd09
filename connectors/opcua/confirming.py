"""When a group is confirmed that comes over several roads: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from collections.abc import Set as AbstractSet

Part: TypeAlias = "Hashable"
"""One road of a group: a subscription, or its polling."""


class Confirmations:
    """Knows which parts of each group have been heard since its last confirmation.

    A server keeps a subscription alive, not a group: a group that is spread over three
    is confirmed when all three were heard, as of the moment the first of them was.
    """

    def __init__(self, parts: Mapping[str, AbstractSet[Part]]) -> None:
        self._parts = {group: frozenset(each) for group, each in parts.items()}
        self._heard_ns: dict[str, dict[Part, int]] = {group: {} for group in parts}

    def is_alone(self, group: str) -> bool:
        """Whether the group has one part, so that each of its messages confirms it."""
        return len(self._parts.get(group, ())) == 1

    def heard(self, group: str, part: Part, utc_ns: int) -> int | None:
        """Note a message; return as of when all parts are confirmed, if that is new."""
        heard = self._heard_ns.setdefault(group, {})
        heard.setdefault(part, utc_ns)
        if not self._parts.get(group, frozenset()) <= heard.keys():
            return None
        oldest_ns = min(heard.values())
        heard.clear()
        return oldest_ns
