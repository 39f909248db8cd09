"""Certificates as a plant's own authority issues them."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._build(self._name, self._key, days=100, ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, days: int = 60, address: str = "127.0.0.1") -> str:
        """Return the stem of NAME.pem and NAME.key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._build(subject, key, days=days, address=address)
        stem = self._folder / name
        stem.with_suffix(".pem").write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
        )
        stem.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(stem)

    def _build(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: int,
        ca: bool = False,
        address: str = "127.0.0.1",
    ) -> x509.Certificate:
        now = dt.datetime.fromtimestamp(SystemClock().utc_ns() / 1e9, dt.UTC)
        ends = now + dt.timedelta(days=days)
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(address))]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, ends) - dt.timedelta(days=10))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), ca)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )
