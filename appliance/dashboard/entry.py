"""Who may look at the served window: who has the address that was printed. Pure.

The address holds a token. Whoever comes with it gets a cookie, and is sent on to an
address without it, so that it stays in no history. Both die with the server.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from appliance.dashboard.web import BadRequestError

if TYPE_CHECKING:
    from appliance.dashboard.web import Asked

TOKEN_BYTES = 24
COOKIE = "wheeltapper"
REFUSAL = "open the whole address that was printed where this was started"
_COOKIE = re.compile(rf"(?:^|; ?){COOKIE}=([^;]*)")


class Entry:
    """Keeps the door; an empty token leaves it open."""

    def __init__(self, token: str) -> None:
        self._token = token

    @property
    def query(self) -> str:
        """What the printed address has behind its path."""
        return f"?token={self._token}" if self._token else ""

    def cookie_for(self, asked: Asked) -> str:
        """Return the cookie that a request has a right to by its address, or nothing.

        Raises:
            BadRequestError: It has no right to anything here.
        """
        if not self._token or self._fits(_cookie_of(asked)):
            return ""
        at_the_door = (asked.method, asked.path) == ("GET", "/")
        if at_the_door and self._fits(asked.query.get("token", "")):
            return f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        raise BadRequestError(403, REFUSAL)

    def _fits(self, given: str) -> bool:
        """Compare in a time that tells nothing of how much of it was right."""
        return hmac.compare_digest(given.encode(), self._token.encode())


def _cookie_of(asked: Asked) -> str:
    found = _COOKIE.search(asked.headers.get("cookie", ""))
    return "" if found is None else found[1]
