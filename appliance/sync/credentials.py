"""Who we are to the broker: keys and passwords from files; never kept, never logged."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from appliance.runtime.credentials import credential_path
from appliance.sync.client import SESSION_EXPIRY_S, Address
from appliance.sync.errors import UplinkRefusedError
from appliance.sync.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.config import SiteSettings, UplinkSettings


def address_of(
    site: SiteSettings, settings: UplinkSettings, *, subscribe: str | None
) -> Address:
    """Return where the broker is and who we are, from the files as they are now.

    Raises:
        UplinkRefusedError: A file cannot be read or is not what it should be.
    """
    return Address(
        host=settings.host,
        port=settings.port,
        client_id=f"wheeltapper-{site.id}-{site.gateway}",
        subscribe=subscribe,
        session_expiry_s=SESSION_EXPIRY_S,
        tls=tls_context(settings),
        username=settings.username,
        password=password(settings.password_file),
        websocket_path=settings.path if settings.transport == "websocket" else None,
        proxy=_proxy(settings),
    )


def tls_context(settings: UplinkSettings) -> ssl.SSLContext | None:
    """Return the context for this uplink, or None where TLS is switched off.

    It trusts `ca_file` alone, or the system's list without one; the broker's
    certificate must be for the name that we dial. The files are read at every call, so
    a renewed certificate needs no restart.

    Raises:
        UplinkRefusedError: A file cannot be read or is not what it should be.
    """
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=_place(settings.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        certificate = _place(settings.certificate_file)
        if certificate is not None:
            context.load_cert_chain(certificate, _place(settings.key_file))
    except (OSError, ssl.SSLError) as error:
        raise UplinkRefusedError(
            f"the keys for TLS cannot be used: {error}; check [uplink] ca_file, "
            "certificate_file and key_file"
        ) from error
    return context


def password(file: str | None) -> str | None:
    """Return the password: the first line of its file, or None where there is none.

    Raises:
        UplinkRefusedError: The file cannot be read.
    """
    place = _place(file)
    if place is None:
        return None
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UplinkRefusedError(f"the password cannot be read: {error}") from error
    return lines[0] if lines else ""


def _proxy(settings: UplinkSettings) -> Proxy | None:
    given = settings.proxy
    if given is None:
        return None
    return Proxy(given.host, given.port, given.username, password(given.password_file))


def _place(name: str | None) -> Path | None:
    return None if name is None else credential_path(name)
