"""What is known of the certificates of a connection, and what to tell of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.domain.diagnostic import Diagnostic
from appliance.runtime.pki.expiry import ALARM_BEFORE_DAYS, expiry_diagnostic

if TYPE_CHECKING:
    from appliance.runtime.pki.certificate import Certificate
    from appliance.runtime.pki.judge import Refusal

OWN_KEY = "certificate"
SERVER_KEY = "server certificate"
_URGENT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Standing:
    """The last that was seen of each certificate.

    `in_use` let us in; `newest` is what we would rather show; `refused` is the one of
    ours that the server refused last, and `why_refused`. `makes_own`: ours are made
    here, not configured.
    """

    makes_own: bool = True
    server: Certificate | None = None
    refusals: tuple[Refusal, ...] = ()
    in_use: Certificate | None = None
    newest: Certificate | None = None
    refused: Certificate | None = None
    why_refused: str = ""


def security_diagnostics(standing: Standing, *, now_ns: int) -> tuple[Diagnostic, ...]:
    """Return at most one diagnostic of our certificate, and one of the server's."""
    found = (_own(standing, now_ns), _server(standing, now_ns))
    return tuple(each for each in found if each is not None)


def _server(standing: Standing, now_ns: int) -> Diagnostic | None:
    if standing.refusals:
        message = "; ".join(each.message for each in standing.refusals)
        remedies = dict.fromkeys(each.remedy for each in standing.refusals)
        return Diagnostic(SERVER_KEY, message, "; ".join(remedies), priority="high")
    if standing.server is None:
        return None
    return expiry_diagnostic(
        standing.server,
        key=SERVER_KEY,
        whose="the server's",
        remedy="have the server given a new certificate, and trust that: "
        "wheeltapper pki trust THUMBPRINT",
        now_ns=now_ns,
    )


def _own(standing: Standing, now_ns: int) -> Diagnostic | None:
    refused, in_use = standing.refused, standing.in_use
    if refused is not None:
        message = (
            f"the server does not accept our certificate {refused}: "
            f"{standing.why_refused}"
        )
        is_urgent = True
        if in_use is not None and in_use != refused:
            days = in_use.days_left(now_ns)
            message += f"; the one before is in use for {max(days, 0):.0f} days more"
            is_urgent = days < _URGENT_DAYS
        return Diagnostic(
            OWN_KEY,
            message,
            "let the server trust it: wheeltapper pki show "
            f"{refused.thumbprint} --out FILE",
            priority="high" if is_urgent else "medium",
        )
    return _own_end(standing, now_ns)


def _own_end(standing: Standing, now_ns: int) -> Diagnostic | None:
    certificate = standing.in_use or standing.newest
    if certificate is None:
        return None
    remedy = (
        "wheeltapper pki renew, and let the server trust the new one"
        if standing.makes_own
        else f"replace the files of certificate and private_key within "
        f"{ALARM_BEFORE_DAYS} days"
    )
    return expiry_diagnostic(
        certificate, key=OWN_KEY, whose="our", remedy=remedy, now_ns=now_ns
    )
