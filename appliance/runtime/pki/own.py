"""Our own certificate: who we say we are. Pure but for the random numbers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.runtime.pki.certificate import (
    NS_PER_DAY,
    NS_PER_S,
    Certificate,
    CertificateError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VALID_DAYS = 730
RENEW_BEFORE_DAYS = 60
"""A new one is made so long before the end: a month before anybody is alarmed."""
RSA_BITS = 2048
_CLOCK_SKEW = timedelta(hours=1)
_EARLIEST_NS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S


@dataclass(frozen=True, slots=True)
class OwnPair:
    """A certificate of ours, and the key that proves it.

    The certificate says which: two readings of one pair are equal.
    """

    certificate: Certificate
    key: rsa.RSAPrivateKey = field(compare=False, repr=False)

    @property
    def key_pem(self) -> bytes:
        """The key as it lies in its file (PKCS 8, not encrypted)."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def make_pair(
    application_uri: str,
    hosts: Sequence[str],
    *,
    now_ns: int,
    days: float = VALID_DAYS,
    bits: int = RSA_BITS,
) -> OwnPair:
    """Make an application instance certificate (OPC UA Part 6, 6.2.2), self-signed.

    `hosts` are host names and addresses. It is for a client and for a server.

    Raises:
        CertificateError: The clock is not set: the certificate would be worthless.
    """
    if now_ns < _EARLIEST_NS:
        raise CertificateError(
            "the clock says a time before 2026; set it, or a certificate made now "
            "would never be valid"
        )
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    now = datetime.fromtimestamp(now_ns // NS_PER_S, UTC)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(_name(hosts))
        .issuer_name(_name(hosts))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )
    for extension, critical in _extensions(application_uri, hosts, key.public_key()):
        unsigned = unsigned.add_extension(extension, critical=critical)
    return OwnPair(Certificate(unsigned.sign(key, hashes.SHA256())), key)


def load_key(content: bytes) -> rsa.RSAPrivateKey:
    """Return an RSA key that is not encrypted, from PEM or DER.

    Raises:
        CertificateError: It is something else.
    """
    is_pem = b"-----BEGIN" in content
    load = (
        serialization.load_pem_private_key
        if is_pem
        else serialization.load_der_private_key
    )
    try:
        key = load(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"not an unencrypted private key: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CertificateError("the key is not RSA, which these policies need")
    return key


def pair_of(certificate: Certificate, key: rsa.RSAPrivateKey) -> OwnPair:
    """Return the pair.

    Raises:
        CertificateError: The key is that of another certificate.
    """
    if certificate.x509.public_key() != key.public_key():
        raise CertificateError(f"the key does not belong to certificate {certificate}")
    return OwnPair(certificate, key)


def is_due(newest: OwnPair | None, *, now_ns: int) -> bool:
    """Whether a new certificate should be made: there is none, or it ends soon."""
    if newest is None:
        return True
    return newest.certificate.ends_ns - now_ns < RENEW_BEFORE_DAYS * NS_PER_DAY


def _name(hosts: Sequence[str]) -> x509.Name:
    host = next(iter(hosts), "gateway")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"wheeltapper {host}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Wheeltapper"),
        ]
    )


def _extensions(
    application_uri: str, hosts: Sequence[str], key: rsa.RSAPublicKey
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri)]
    names += [_general_name(host) for host in dict.fromkeys(hosts)]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # it signs itself
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    return (
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage(both), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False),
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
