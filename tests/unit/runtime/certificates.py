"""Certificates of every kind, made in a moment: the keys are made once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.runtime.pki.certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000


@cache
def key_of(who: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key of somebody."""
    del who
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: Certificate
    key: Any

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write `name.der` and `name.pem`; return both."""
        certificate, key = folder / f"{name}.der", folder / f"{name}.pem"
        certificate.write_bytes(self.certificate.der)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key


def make(
    who: str = "server",
    *,
    uri: str = "urn:test:server",
    hosts: Sequence[str] = ("127.0.0.1", "localhost"),
    now: datetime = NOW,
    from_days: float = -1,
    to_days: float = 365,
    bits: int = 2048,
    issuer: Made | None = None,
    ca: bool = False,
    server: bool = True,
    signs: bool = True,
    elliptic: bool = False,
    bare: bool = False,
) -> Made:
    """Make a certificate, self-signed unless an issuer is given."""
    key: Any = (
        ec.generate_private_key(ec.SECP256R1()) if elliptic else key_of(who, bits)
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.x509.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=from_days))
        .not_valid_after(now + timedelta(days=to_days))
    )
    if not bare:
        for extension in _extensions(uri, hosts, ca=ca, server=server, signs=signs):
            builder = builder.add_extension(extension, critical=False)
    signing = key if issuer is None else issuer.key
    return Made(Certificate(builder.sign(signing, hashes.SHA256())), key)


def crl(
    issuer: Made, *revoked: Made, now: datetime = NOW, next_days: float = 30
) -> x509.CertificateRevocationList:
    """Make an issuer's list of what it has revoked."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.x509.subject)
        .last_update(now - timedelta(days=60))
        .next_update(now + timedelta(days=next_days))
    )
    for each in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(each.certificate.x509.serial_number)
            .revocation_date(now - timedelta(days=1))
            .build()
        )
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256())


def _extensions(
    uri: str, hosts: Sequence[str], *, ca: bool, server: bool, signs: bool
) -> list[x509.ExtensionType]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    purpose = (
        ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    )
    return [
        x509.SubjectAlternativeName(names),
        x509.BasicConstraints(ca=ca, path_length=None),
        x509.KeyUsage(
            digital_signature=signs,
            content_commitment=True,
            key_encipherment=True,
            data_encipherment=True,
            key_agreement=False,
            key_cert_sign=ca,
            crl_sign=ca,
            encipher_only=False,
            decipher_only=False,
        ),
        x509.ExtendedKeyUsage([purpose]),
    ]
