"""Growing patience with jitter, so that a fleet does not retry in step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Backoff:
    """Delays `first_s`, twice that, … up to `longest_s`, each spread by `jitter`.

    `spread` returns numbers in `[0, 1)` (a seeded generator in tests). A delay lies
    in `[d * (1 - jitter), d]`.
    """

    def __init__(
        self,
        first_s: float,
        longest_s: float,
        *,
        jitter: float,
        spread: Callable[[], float],
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._jitter = jitter
        self._spread = spread
        self._next_s = first_s

    def next_s(self) -> float:
        """Return the next delay in seconds, and grow."""
        delay_s = self._next_s
        self._next_s = min(2 * delay_s, self._longest_s)
        return delay_s * (1 - self._jitter * self._spread())

    def reset(self) -> None:
        """Begin again at the first delay: the thing worked."""
        self._next_s = self._first_s
