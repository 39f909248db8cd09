"""What the window may send to a slow terminal."""

from __future__ import annotations


class Budget:
    """Bytes that may be written: so many in a second, the overdraft is paid back first.

    A key is answered at once whatever it costs; what is drawn by itself then waits
    until the line has had its time. `bytes_per_s` 0: no bound.
    """

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._owed_bytes = 0.0
        self._paid_s: float | None = None
        self.written_bytes = 0

    def spend(self, count: int) -> None:
        """Count what was written."""
        self.written_bytes += count
        self._owed_bytes += count if self._bytes_per_s else 0

    def may_draw(self, now_s: float) -> bool:
        """Say whether the line is free again."""
        before_s = now_s if self._paid_s is None else self._paid_s
        self._paid_s = now_s
        paid = (now_s - before_s) * self._bytes_per_s
        self._owed_bytes = max(0.0, self._owed_bytes - paid)
        return self._owed_bytes <= 0.0
