"""Why the uplink is down, by what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.sync.reasons import Course

if TYPE_CHECKING:
    from appliance.sync.reasons import Advice


class UplinkLostError(Exception):
    """The broker is away or was lost: try again soon."""


class UnansweredError(UplinkLostError):
    """It hung up before it answered: it may not speak our protocol."""


class UplinkBusyError(UplinkLostError):
    """The broker asks for patience: back off."""


class UplinkRefusedError(UplinkLostError):
    """The broker does not want us, or a key is wrong: a person must act; try seldom."""


class PacketTooLargeError(UplinkLostError):
    """The broker takes no packets of that size: send smaller ones."""


class ProtocolRefusedError(UplinkLostError):
    """The broker does not speak this version of MQTT: try the other one at once."""


_ERROR = {
    Course.RETRY: UplinkLostError,
    Course.BACK_OFF: UplinkBusyError,
    Course.ASK_A_PERSON: UplinkRefusedError,
    Course.SMALLER: PacketTooLargeError,
    Course.OTHER_PROTOCOL: ProtocolRefusedError,
}


def error_of(what: str, advice: Advice) -> UplinkLostError:
    """Return the error that asks for what is advised; not for `GO_ON`."""
    return _ERROR[advice.course](f"{what}: {advice}")
