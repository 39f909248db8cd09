"""How long to wait before the next attempt, by what ended the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.runtime.backoff import Backoff
from appliance.sync.errors import (
    UplinkBusyError,
    UplinkLostError,
    UplinkRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_S = (0.5, 3.0)
BUSY_S = (5.0, 60.0)
REFUSED_S = (5.0, 300.0)
"""First and longest wait."""


class Patience:
    """Grows with each failure of a kind; `spread` returns numbers in `[0, 1)`."""

    def __init__(self, spread: Callable[[], float]) -> None:
        self._retry, self._busy, self._refused = (
            Backoff(*bounds, jitter=0.5, spread=spread)
            for bounds in (RETRY_S, BUSY_S, REFUSED_S)
        )

    def after(self, error: UplinkLostError) -> float:
        """Return how long to wait, in seconds."""
        match error:
            case UplinkRefusedError():
                return self._refused.next_s()
            case UplinkBusyError():
                return self._busy.next_s()
            case _:
                return self._retry.next_s()

    def reset(self) -> None:
        """Note that the broker takes what we send."""
        for each in (self._retry, self._busy, self._refused):
            each.reset()
