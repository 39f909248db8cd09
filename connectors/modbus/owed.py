"""Which answers a device still owes, where frames carry no transaction number: pure.

On RTU and ASCII a late answer looks like the answer to the next request, and every one
after it would be taken for the answer to the one before. A device answers in order, so
what it still owes is a list, and an answer settles all that was asked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.modbus.replies import Verdict

if TYPE_CHECKING:
    from connectors.modbus.replies import Request

SETTLED_AFTER = 4
"""After how many time-outs of silence nothing is expected any more."""


class Owed:
    """The unanswered requests to one device."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._until_s = 0.0

    def hides(self, request: Request, *, now_s: float) -> bool:
        """Say whether a late answer could be taken for the answer to this.

        A refusal names its function alone, so every request of it looks alike.
        """
        if now_s >= self._until_s:
            self._requests.clear()
        return any(each.function == request.function for each in self._requests)

    def unanswered(self, request: Request, *, until_s: float) -> None:
        """Note that an answer may still come, until then."""
        self._requests.append(request)
        self._until_s = max(self._until_s, until_s)

    def answered(self, request: Request, verdict: Verdict) -> None:
        """Settle what an answer settles: it, and all that was asked before.

        If an earlier request of its function may be meant, this one is still owed.
        """
        asked = [*self._requests, request]
        if verdict is Verdict.REFUSED:
            like = [each.function == request.function for each in asked]
        else:
            like = [each.head == request.head for each in asked]
        self._requests = asked[like.index(True) + 1 :]
