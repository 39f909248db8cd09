"""What is wrong with the uplink, while it is: for alarms and `doctor`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from appliance.domain.diagnostic import Diagnostic
from appliance.runtime.credentials import credential_path
from appliance.runtime.pki.certificate import (
    Certificate,
    CertificateError,
    parse_certificates,
)
from appliance.runtime.pki.expiry import expiry_diagnostic
from appliance.sync.errors import UplinkRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config import UplinkSettings
    from appliance.sync.errors import UplinkLostError


class Diagnosis:
    """What the uplink's certificates and its last refusal ask a person to do."""

    def __init__(self, settings: UplinkSettings) -> None:
        self._settings = settings
        self._broker: tuple[Certificate, ...] = ()
        self._refusal: Diagnostic | None = None

    def connected(self, broker_der: bytes | None) -> None:
        """Note that the broker took us, and the certificate it showed."""
        self._refusal = None
        if broker_der is not None:
            with contextlib.suppress(CertificateError):
                self._broker = parse_certificates(broker_der)

    def lost(self, error: UplinkLostError) -> None:
        """Note an end; only a refusal asks for a person."""
        if isinstance(error, UplinkRefusedError):
            said, _, remedy = str(error).partition("; ")
            remedy = remedy or "the broker's own log says why"
            self._refusal = Diagnostic("refused", said, remedy, "high")

    def standing(self, now_ns: int) -> tuple[Diagnostic, ...]:
        """Return what stands now. Certificates are told a month before they end.

        Ours and the authority's are read from their files; a file that cannot be read
        is told by the refusal.
        """
        refusal = () if self._refusal is None else (self._refusal,)
        return (*refusal, *_ending(self._settings, self._broker, now_ns))


def _ending(
    settings: UplinkSettings, broker: tuple[Certificate, ...], now_ns: int
) -> Iterator[Diagnostic]:
    replace = "renew it and replace {}; no restart is needed"
    for key, whose, found, remedy in (
        (
            "certificate",
            "the gateway's uplink",
            _read(settings.certificate_file if settings.tls else None),
            replace.format(settings.certificate_file),
        ),
        (
            "authority",
            "the broker's authority's",
            _read(settings.ca_file if settings.tls else None),
            replace.format(settings.ca_file),
        ),
        (
            "broker certificate",
            "the broker's",
            broker,
            "let who runs the broker renew it",
        ),
    ):
        for certificate in found[:1]:
            said = expiry_diagnostic(
                certificate, key=key, whose=whose, remedy=remedy, now_ns=now_ns
            )
            if said is not None:
                yield said


def _read(file: str | None) -> tuple[Certificate, ...]:
    if file is None:
        return ()
    try:
        return tuple(parse_certificates(credential_path(file).read_bytes()))
    except (OSError, CertificateError):
        return ()
