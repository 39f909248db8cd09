"""Which MQTT to speak: 5, and 3.1.1 where a broker refuses 5."""

from __future__ import annotations

from enum import IntEnum

ASK_AGAIN_S = 6 * 3600.0
HANG_UPS_MAX = 2


class Protocol(IntEnum):
    """The number that stands in CONNECT."""

    V311 = 4
    V5 = 5


class ProtocolChoice:
    """Remembers a broker's answer, and asks again after `ASK_AGAIN_S`.

    Some old brokers hang up without a word when they meet 5: after
    `HANG_UPS_MAX` in a row the other protocol is tried, and kept if it works. Others
    choke on the properties of 5 before they see its number, so 5 is asked for without
    any until the broker is `proven` to speak it.
    """

    def __init__(self, remembered: Protocol | None, *, now_s: float) -> None:
        self.proven = remembered is not None
        self._protocol = remembered or Protocol.V5
        self._since_s = now_s
        self._hang_ups = 0

    @property
    def spoken(self) -> Protocol | None:
        """What the broker is known to speak."""
        return self._protocol if self.proven else None

    def next(self, now_s: float) -> Protocol:
        """Return what to try now."""
        if self._protocol is Protocol.V311 and now_s - self._since_s >= ASK_AGAIN_S:
            self._turn_to(Protocol.V5, now_s)
        return self._protocol

    def refused(self, now_s: float) -> None:
        """Note that the broker does not speak it."""
        other = Protocol.V311 if self._protocol is Protocol.V5 else Protocol.V5
        self._turn_to(other, now_s)

    def hung_up(self, now_s: float) -> None:
        """Note that the broker hung up before it answered."""
        self._hang_ups += 1
        if self._hang_ups >= HANG_UPS_MAX:
            self.refused(now_s)

    def worked(self) -> None:
        """Note that the broker accepted us."""
        self.proven = True
        self._hang_ups = 0

    def _turn_to(self, protocol: Protocol, now_s: float) -> None:
        self._protocol = protocol
        self.proven = False
        self._since_s = now_s
        self._hang_ups = 0
