"""What we call ourselves before OPC UA servers: one application URI per gateway. Pure.

A certificate is for one application URI, so the name that a certificate of ours bears
stays ours for as long as that is valid, whatever name we would choose today.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.runtime.pki.certificate import Certificate

FORMER_URI = "urn:wheeltapper:gateway"
"""What every gateway called itself before they had names of their own."""
_PREFIX = "urn:wheeltapper:"


def gateway_uri(site: str, gateway: str) -> str:
    """Return the name of a gateway; it does not change with the machine's host name.

    >>> gateway_uri("hüttenwerk", "gw-1")
    'urn:wheeltapper:h%C3%BCttenwerk:gw-1'
    """
    return f"{_PREFIX}{quote(site, safe='')}:{quote(gateway, safe='')}"


def host_uri(host: str) -> str:
    """Return the name of a machine that is not yet anybody's gateway."""
    return f"{_PREFIX}{quote(host, safe='')}"


def application_uri(
    gateway: str | None, own: Iterable[Certificate], *, host: str, now_ns: int
) -> str:
    """Return the name to go by, where the configuration gives none.

    `gateway` is that of `gateway_uri`, or None where nobody knows whose gateway this
    is; `own` are the certificates that were made here. The gateway's own name is
    preferred; without a certificate for it, one that was made before the gateway had
    a name (by an earlier version, or while it was commissioned) goes on to count.
    """
    valid = [each for each in own if each.is_valid_at(now_ns)]
    valid.sort(key=lambda each: each.begins_ns, reverse=True)
    names = [uri for each in valid for uri in each.application_uris]
    if gateway is not None and gateway in names:
        return gateway
    for uri in names:
        if _is_nobodys(uri) or (gateway is None and uri.startswith(_PREFIX)):
            return uri
    return gateway or host_uri(host)


def _is_nobodys(uri: str) -> bool:
    """Whether a name of ours says no gateway."""
    return uri.startswith(_PREFIX) and ":" not in uri.removeprefix(_PREFIX)
