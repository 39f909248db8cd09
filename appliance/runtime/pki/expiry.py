"""Which certificate ends soon: what a source tells as a diagnostic. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from appliance.domain.diagnostic import Diagnostic
from appliance.runtime.pki.certificate import NS_PER_S

if TYPE_CHECKING:
    from appliance.runtime.pki.certificate import Certificate

ALARM_BEFORE_DAYS = 30
_URGENT_DAYS = 7


def expiry_diagnostic(
    certificate: Certificate, *, key: str, whose: str, remedy: str, now_ns: int
) -> Diagnostic | None:
    """Return what there is to say of a certificate that ends within a month, or None.

    In the last week it is of high priority.
    """
    days = certificate.days_left(now_ns)
    if days > ALARM_BEFORE_DAYS:
        return None
    ends = datetime.fromtimestamp(certificate.ends_ns // NS_PER_S, UTC)
    if days < 0:
        message = f"{whose} certificate {certificate} ended on {ends:%Y-%m-%d}"
    else:
        message = (
            f"{whose} certificate {certificate} ends on {ends:%Y-%m-%d}, "
            f"in {days:.0f} days"
        )
    priority: Literal["medium", "high"] = "high" if days < _URGENT_DAYS else "medium"
    return Diagnostic(key, message, remedy, priority=priority)
