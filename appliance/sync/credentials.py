"""Keys and passwords from files; never kept, never logged."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from appliance.runtime.credentials import credential_path
from appliance.sync.errors import UplinkRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.config import UplinkSettings


def tls_context(settings: UplinkSettings) -> ssl.SSLContext | None:
    """Return the context for this uplink, or None where TLS is switched off.

    The files are read at every call, so a renewed certificate needs no restart.

    Raises:
        UplinkRefusedError: A file cannot be read or is not what it should be.
    """
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=_place(settings.ca_file))
        certificate = _place(settings.certificate_file)
        if certificate is not None:
            context.load_cert_chain(certificate, _place(settings.key_file))
    except (OSError, ssl.SSLError) as error:
        raise UplinkRefusedError(f"the keys for TLS cannot be used: {error}") from error
    return context


def password(settings: UplinkSettings) -> str | None:
    """Return the password: the first line of its file, or None where there is none.

    Raises:
        UplinkRefusedError: The file cannot be read.
    """
    place = _place(settings.password_file)
    if place is None:
        return None
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UplinkRefusedError(f"the password cannot be read: {error}") from error
    return lines[0] if lines else ""


def _place(name: str | None) -> Path | None:
    return None if name is None else credential_path(name)
