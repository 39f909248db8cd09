"""Why the uplink is down."""

from __future__ import annotations


class UplinkLostError(Exception):
    """The broker is away or was lost: try again soon."""


class UnansweredError(UplinkLostError):
    """It hung up before it answered: it may not speak our protocol."""


class UplinkRefusedError(UplinkLostError):
    """The broker does not want us, or a key file is wrong: try again, but seldom."""


class ProtocolRefusedError(UplinkLostError):
    """The broker does not speak this version of MQTT: try the other one at once."""
