"""Which tags a server would not give us, and why, in words for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asyncua import ua

from appliance.domain.diagnostic import Diagnostic
from connectors.opcua.wording import few, grouped_by

if TYPE_CHECKING:
    from appliance.domain.tag import TagId

_REMEDIES: Final = {
    "BadNodeIdUnknown": "Compare `node` with the server (`wheeltapper discover opcua`)",
    "BadNodeIdInvalid": "Compare `node` with the server (`wheeltapper discover opcua`)",
    "BadUserAccessDenied": "Give our user the right to read the nodes",
    "BadNotReadable": "Give our user the right to read the nodes",
    "BadConfigurationError": "Give a waveform its `sample_rate_hz`",
    "BadTooManyMonitoredItems": 'Use mode = "poll" or "auto", or raise its limit',
    "BadDataTypeIdUnknown": "Make the server offer its DataTypeDefinitions",
}


def status_name(status: int) -> str:
    """Return the standard's name of a status.

    >>> status_name(0x80340000)
    'BadNodeIdUnknown'
    """
    name: str = ua.status_codes.get_name_and_doc(status & 0xFFFF_0000)[0]
    return name


class Refusals:
    """The tags that are refused now, each with the status that says why."""

    def __init__(self) -> None:
        self.status_of: dict[TagId, int] = {}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """One for each status, however many tags it holds for."""
        return tuple(
            Diagnostic(
                key=f"refused {name}",
                message=f"not monitored, {name}: {few(tags)}",
                remedy=f"{_REMEDIES.get(name, 'See what the server logs')}; they are "
                "tried again by themselves.",
                tags=tags,
            )
            for status, tags in grouped_by(self.status_of)
            for name in [status_name(status)]
        )
