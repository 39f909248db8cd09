"""Values that the server dropped because its queue was full: counted and declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from appliance.domain.diagnostic import Diagnostic
from appliance.domain.event import Gap
from connectors.opcua.wording import few

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId

_OVERFLOW: Final = 0x0000_0480
"""InfoType DataValue, bit Overflow (Part 4, 7.39)."""
_CALM_S: Final = 10.0
"""An episode ends when nothing overflowed for so long."""
_LONGEST_S: Final = 60.0
"""A longer one is declared in parts, so that nobody waits for its end."""
_STANDS_S: Final = 60.0
"""The diagnostic stands so long after the last loss."""
_UNKNOWN = -1


class Overflows:
    """Watches the overflow bit; declares one gap for each episode.

    A server says that values were lost before this one, never how many.
    """

    def __init__(self, names: Mapping[int, TagId]) -> None:
        self._names = names
        self._touched: dict[TagId, None] = {}
        self._recent: dict[TagId, None] = {}
        self._from_ns = self._to_ns = 0
        self._since_s = self._last_s = 0.0
        self._now_s = 0.0
        self._heard_ns = 0

    def see(self, batch: Batch, now_s: float) -> None:
        """Take note of a batch as it came."""
        self._now_s = now_s
        lost = (batch.status & _OVERFLOW) == _OVERFLOW
        before_ns = self._heard_ns or batch.receive_time_ns
        self._heard_ns = batch.receive_time_ns
        if not lost.any():
            return
        if not self._touched:
            self._from_ns, self._since_s = before_ns, now_s
            self._recent = {}
        self._to_ns, self._last_s = batch.receive_time_ns, now_s
        for number in np.unique(batch.tag[lost]).tolist():
            self._touched[self._names[number]] = None
        self._recent |= self._touched

    def ended(self, now_s: float) -> Gap | None:
        """Return the gap of an episode that is over; ask with every message."""
        self._now_s = now_s
        if not self._touched:
            return None
        calm = now_s - self._last_s >= _CALM_S
        if not calm and now_s - self._since_s < _LONGEST_S:
            return None
        reason = f"the server's queue overflowed: {few(tuple(self._touched))}"
        self._touched = {}
        return Gap("acquisition", reason, self._from_ns, self._to_ns, _UNKNOWN)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """One, while values are being lost or have been a moment ago."""
        tags = tuple(self._recent)
        if not tags or self._now_s - self._last_s > _STANDS_S:
            return ()
        return (
            Diagnostic(
                key="overflow",
                message=f"values are lost in the server's queue: {few(tags)}",
                remedy="Raise `queue_size`, or the sampling interval, or set a "
                "`deadband`.",
                tags=tags,
            ),
        )
