"""Which notification messages never came: pure."""

from __future__ import annotations

_LAST = 2**32 - 1  # after it comes 1; 0 is never used (Part 4, 7.26)


class Sequence:
    """The numbers of one subscription's messages, in the order of their arrival."""

    def __init__(self) -> None:
        self._expected: int | None = None

    @property
    def expected(self) -> int | None:
        """The number of the message that will come next, once there was one."""
        return self._expected

    def missing(self, number: int, *, is_keep_alive: bool = False) -> range:
        """Return the numbers left out before this one, each of them once.

        A keep-alive has the number of the message that will come next. What came
        before already, or is sent again, leaves nothing out. The range runs on past
        2**32 - 1, where the numbers begin anew.
        """
        expected = number if self._expected is None else self._expected
        ahead = (number - expected) % _LAST
        if ahead > _LAST // 2:
            return range(0)
        self._expected = number if is_keep_alive else number % _LAST + 1
        return range(expected, expected + ahead)
