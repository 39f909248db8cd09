"""What one device has taught about its addresses, learnt once: pure.

It outlives connections. A device refuses a whole request for one address that it does
not have, for two areas asked together, or for asking too many at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.modbus.planner import Barrier, Limits, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.runtime.backoff import Backoff
    from connectors.modbus.registers import Table


@dataclass(slots=True)
class _Refusal:
    status: int
    ask_again_s: float
    patience: Backoff | None


class Terrain:
    """The limits of one device, its barriers, and the places it refuses.

    A refused place is asked for again after the delays of a `patience`, or every time
    where none is given. `version` grows when a plan made before is not the best now.
    """

    def __init__(
        self, limits: Limits, *, patience: Callable[[], Backoff] | None = None
    ) -> None:
        self._limits = limits
        self._patience = patience
        self._learnt: dict[Barrier, None] = {}
        self._refused: dict[Place, _Refusal] = {}
        self._version = 0

    @property
    def limits(self) -> Limits:
        """What one request may ask: as configured, or less where that was refused."""
        return self._limits

    @property
    def version(self) -> int:
        """Grows when something was learnt that plans depend on."""
        return self._version

    @property
    def barriers(self) -> tuple[Barrier, ...]:
        """What no block may hold, refused places included."""
        refused = (
            Barrier(each.table, each.address, each.end) for each in self._refused
        )
        return (*self._learnt, *refused)

    def learn_longest(self, table: Table, count: int) -> None:
        """More than `count` addresses of this table at once are refused."""
        limits = self._limits
        if table.of_bits:
            self._limits = replace(limits, max_bits=min(count, limits.max_bits))
        else:
            self._limits = replace(
                limits, max_registers=min(count, limits.max_registers)
            )
        self._version += 1

    def learn_barrier(self, barrier: Barrier) -> None:
        """These addresses are not given together."""
        self._learnt[barrier] = None
        self._version += 1

    def refusal_of(self, place: Place) -> int | None:
        """Return the status with which a place was refused, or None."""
        refusal = self._refused.get(place)
        return None if refusal is None else refusal.status

    def is_due(self, place: Place, *, now_s: float) -> bool:
        """Say whether a refused place should be asked for again."""
        return now_s >= self._refused[place].ask_again_s

    def note_refused(self, place: Place, status: int, *, now_s: float) -> None:
        """The place was asked for alone, and refused."""
        refusal = self._refused.get(place)
        if refusal is None:
            patience = None if self._patience is None else self._patience()
            refusal = self._refused[place] = _Refusal(status, now_s, patience)
            self._version += 1
        refusal.status = status
        if refusal.patience is not None:
            refusal.ask_again_s = now_s + refusal.patience.next_s()

    def note_given(self, place: Place) -> None:
        """A refused place was given after all, so every refusal is in doubt.

        A device that was being programmed refuses everything for a while.
        """
        if place in self._refused:
            self._refused.clear()
            self._version += 1
