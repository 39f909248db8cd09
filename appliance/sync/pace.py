"""How many bytes may leave: so many a second, so many a day. Pure.

What is urgent is never held back; it is counted, and what is not waits the longer.
"""

from __future__ import annotations

BURST_S = 2.0
"""The rate may be used up this far ahead, so that a payload goes in one piece."""


class Pace:
    """A bucket that fills at `bytes_per_s`, and a budget of `bytes_per_day`.

    None: no bound. `day` is a number of the local day; another one is a new budget.
    """

    def __init__(
        self,
        *,
        bytes_per_s: float | None,
        bytes_per_day: int | None,
        day: int = 0,
        spent_bytes: int = 0,
    ) -> None:
        self.day = day
        self.spent_bytes = spent_bytes
        """On `day`."""
        self._bytes_per_s = bytes_per_s
        self._bytes_per_day = bytes_per_day
        self._level_bytes = BURST_S * (bytes_per_s or 0.0)
        self._at_s: float | None = None

    @property
    def payload_max_bytes(self) -> int | None:
        """A payload that the bucket can hold, or None for any."""
        rate = self._bytes_per_s
        return None if rate is None else max(int(rate * BURST_S), 1)

    def may_send(self, now_s: float, day: int) -> bool:
        """Tell whether something that is not urgent may go now."""
        self._pass(now_s, day)
        return self._level_bytes >= 0.0 and not self.exhausted

    @property
    def exhausted(self) -> bool:
        """The day's budget is spent."""
        most = self._bytes_per_day
        return most is not None and self.spent_bytes >= most

    def spend(self, size_bytes: int, now_s: float, *, day: int) -> None:
        """Note bytes that were written; the bucket may go below empty."""
        self._pass(now_s, day)
        self.spent_bytes += size_bytes
        if self._bytes_per_s is not None:
            self._level_bytes -= size_bytes

    def _pass(self, now_s: float, day: int) -> None:
        if day != self.day:
            self.day, self.spent_bytes = day, 0
        if self._bytes_per_s is not None and self._at_s is not None:
            passed_s = max(now_s - self._at_s, 0.0)
            most = BURST_S * self._bytes_per_s
            self._level_bytes = min(
                self._level_bytes + passed_s * self._bytes_per_s, most
            )
        self._at_s = now_s
