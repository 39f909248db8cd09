"""What a server offers, asked without security, and the one of it that we want."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import Client, ua

from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.policies import MODES, POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.opcua.config import SecuritySettings


async def endpoints_of(
    url: str, *, timeout_s: float
) -> tuple[list[ua.EndpointDescription], str]:
    """Return what a server offers, and the address by which we reach it.

    This is asked without security, and worth as much: judge the certificates.

    Raises:
        Exception: Whatever asyncua raises; use it inside `Security.guarded`.
    """
    client = Client(url, timeout=timeout_s)
    here = ""
    try:
        await client.connect_socket()
        protocol = client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            here = protocol.transport.get_extra_info("sockname")[0]
        await client.send_hello()
        await client.open_secure_channel()
        found = await client.get_endpoints()
        await client.close_secure_channel()
    finally:
        client.disconnect_socket()
    return list(found), here


def wanted_endpoint(
    offered: Sequence[ua.EndpointDescription], settings: SecuritySettings, *, url: str
) -> ua.EndpointDescription:
    """Return the one that is configured.

    Raises:
        SourceUnavailableError: The server does not offer it.
    """
    wanted = (POLICIES[settings.policy].URI, MODES[settings.mode])
    for each in offered:
        if (each.SecurityPolicyUri, each.SecurityMode) == wanted:
            return each
    names = sorted(
        f"{str(each.SecurityPolicyUri).rpartition('#')[2]} {each.SecurityMode.name}"
        for each in offered
    )
    raise SourceUnavailableError(
        f"{url}: the server does not offer {settings.policy} {settings.mode}; "
        f"it offers {', '.join(names) or 'nothing'}"
    )
