"""When the site may connect: the configuration's windows on the site's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from appliance.config.windows import is_open, opens_at, parse_window

if TYPE_CHECKING:
    from collections.abc import Sequence

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Openings:
    """UTC in, an answer out: one a minute is worked out, and kept for its minute.

    Without windows it is always open.
    """

    def __init__(self, windows: Sequence[str], time_zone: str) -> None:
        self._minute: int | None = None
        self._open, self._day = True, 0
        self._windows = tuple(parse_window(each) for each in windows)
        self._zone = ZoneInfo(time_zone)

    def is_open(self, utc_ns: int) -> bool:
        """Tell whether anything may leave now."""
        self._look(utc_ns)
        return self._open

    def opens_at(self, utc_ns: int) -> str:
        """Return the local time at which it opens next, in words."""
        then = opens_at(self._windows, self._local(utc_ns))
        return then.strftime("%a %H:%M")

    def day(self, utc_ns: int) -> int:
        """Return the number of the local day, for budgets."""
        self._look(utc_ns)
        return self._day

    def _look(self, utc_ns: int) -> None:
        minute = utc_ns // _MINUTE_NS
        if minute != self._minute:
            local = self._local(utc_ns)
            self._minute = minute
            self._open = is_open(self._windows, local)
            self._day = local.toordinal()

    def _local(self, utc_ns: int) -> datetime:
        moment = _EPOCH + timedelta(seconds=utc_ns // _NS)
        return moment.astimezone(self._zone)
