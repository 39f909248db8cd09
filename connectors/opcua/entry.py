"""What is needed to enter a server, and the server that will not have us."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncua import ua

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.pki.judge import Trust

if TYPE_CHECKING:
    from appliance.runtime.pki.certificate import Certificate
    from appliance.runtime.pki.own import OwnPair


class OwnCertificateRefusedError(SourceUnavailableError):
    """The server does not accept our certificate: its operator must trust it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is needed to enter, judged and read: good for one connection.

    `pairs` are ours, the newest first; `(None,)` on an open channel.
    """

    pairs: tuple[OwnPair | None, ...] = (None,)
    server: Certificate | None = None
    trust: Trust = field(default_factory=Trust)
    password: str | None = None
    user: OwnPair | None = None


def is_about_certificate(error: Exception) -> bool:
    """Whether the server refused us for our certificate."""
    if not isinstance(error, ua.UaStatusCodeError):
        return True  # hung up on us while we showed it
    name = ua.status_codes.get_name_and_doc(error.code)[0]
    return name.startswith(("BadCertificate", "BadSecurity"))
