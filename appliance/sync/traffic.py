"""May anything leave now, and how much at once: windows, budgets, the link itself."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from appliance.sync.link_meter import LinkMeter
from appliance.sync.pace import Pace
from appliance.sync.windows import Openings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import UplinkSettings

MINUTES_MAX = 24 * 60
_MINUTE_NS = 60_000_000_000


class Traffic:
    """Pure: times are arguments. `spent_bytes` were written on local day `day`."""

    def __init__(
        self, settings: UplinkSettings, *, day: int = 0, spent_bytes: int = 0
    ) -> None:
        self.meter = LinkMeter()
        self._openings = Openings(settings.windows, settings.time_zone)
        self._pace = Pace(
            bytes_per_s=settings.bytes_per_s,
            bytes_per_day=settings.bytes_per_day,
            day=day,
            spent_bytes=spent_bytes,
        )
        self._minutes: deque[tuple[int, int]] = deque(maxlen=MINUTES_MAX)

    @property
    def spent(self) -> tuple[int, int]:
        """The local day, and the bytes written on it."""
        return self._pace.day, self._pace.spent_bytes

    @property
    def payload_max_bytes(self) -> int:
        """How long a payload may be on this link at this pace."""
        measured = self.meter.payload_max_bytes
        paced = self._pace.payload_max_bytes
        return measured if paced is None else min(measured, paced)

    def is_open(self, utc_ns: int) -> bool:
        """Tell whether it is a time to connect."""
        return self._openings.is_open(utc_ns)

    def may_send(self, now_s: float, utc_ns: int) -> bool:
        """Tell whether what is not urgent may go now."""
        day = self._openings.day(utc_ns)
        return self.is_open(utc_ns) and self._pace.may_send(now_s, day)

    def wrote(self, size_bytes: int, now_s: float, *, utc_ns: int) -> None:
        """Note bytes that were written to the broker."""
        self._pace.spend(size_bytes, now_s, day=self._openings.day(utc_ns))
        minute = utc_ns // _MINUTE_NS
        if self._minutes and self._minutes[-1][0] == minute:
            size_bytes += self._minutes.pop()[1]
        self._minutes.append((minute, size_bytes))

    def waits_for(self, now_s: float, utc_ns: int) -> str:
        """Return why what is not urgent does not go now; empty: it may."""
        if not self.is_open(utc_ns):
            return f"the window opens {self._openings.opens_at(utc_ns)}"
        if self.may_send(now_s, utc_ns):
            return ""
        if self._pace.exhausted:
            return "the day's bytes are spent"
        return "the bytes of this second are spent"

    def status(self, now_s: float, utc_ns: int) -> Mapping[str, Any]:
        """Return what was measured, for people and for `uplink status`."""
        meter = self.meter
        return {
            "rtt_s": meter.rtt_s,
            "bytes_per_s": meter.bytes_per_s,
            "duty": meter.duty(now_s),
            "flying_max_bytes": meter.flying_max_bytes,
            "payload_max_bytes": self.payload_max_bytes,
            "day_bytes": self._pace.spent_bytes,
            "waits_for": self.waits_for(now_s, utc_ns),
            "minutes": [list(each) for each in self._minutes],
        }
