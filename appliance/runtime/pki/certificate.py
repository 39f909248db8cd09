"""A certificate, read so that what is asked of it later cannot fail."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

if TYPE_CHECKING:
    from datetime import datetime

LONGEST_CHAIN = 10
NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S
_PEM = b"-----BEGIN"
_SEQUENCE = 0x30
_LONG_FORM = 0x80

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class CertificateError(Exception):
    """Something is wrong with a certificate or key; a person must act."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate whose names, times and usages are at hand."""

    x509: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate as it travels."""
        return self.x509.public_bytes(Encoding.DER)

    @property
    def thumbprint(self) -> str:
        """SHA-1 of the certificate in hexadecimal, as OPC UA (Part 6) names it."""
        digest = hashes.SHA1()  # noqa: S303 - a name, defined so by the standard
        return self.x509.fingerprint(digest).hex()

    @property
    def sha256(self) -> str:
        """SHA-256 of the certificate in hexadecimal."""
        return self.x509.fingerprint(hashes.SHA256()).hex()

    @property
    def subject(self) -> str:
        """Whose it is, as RFC 4514 writes names."""
        return self.x509.subject.rfc4514_string() or "(no name)"

    @property
    def issuer(self) -> str:
        """Who signed it."""
        return self.x509.issuer.rfc4514_string() or "(no name)"

    @property
    def begins_ns(self) -> int:
        """From when it is valid (UTC)."""
        return _ns(self.x509.not_valid_before_utc)

    @property
    def ends_ns(self) -> int:
        """Until when it is valid (UTC)."""
        return _ns(self.x509.not_valid_after_utc)

    def days_left(self, now_ns: int) -> float:
        """Days until it ends; negative when it has."""
        return (self.ends_ns - now_ns) / NS_PER_DAY

    def is_valid_at(self, now_ns: int) -> bool:
        """Whether its time has come and is not over."""
        return self.begins_ns <= now_ns <= self.ends_ns

    @property
    def application_uris(self) -> tuple[str, ...]:
        """The URIs in its SubjectAltName."""
        names = self.extension(x509.SubjectAlternativeName)
        if names is None:
            return ()
        return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))

    @property
    def application_uri(self) -> str:
        """The first of them, or nothing."""
        return next(iter(self.application_uris), "")

    @property
    def host_names(self) -> tuple[str, ...]:
        """The host names and addresses in its SubjectAltName."""
        names = self.extension(x509.SubjectAlternativeName)
        if names is None:
            return ()
        addresses = names.get_values_for_type(x509.IPAddress)
        return (*names.get_values_for_type(x509.DNSName), *map(str, addresses))

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return self.x509.subject == self.x509.issuer

    @property
    def rsa_bits(self) -> int | None:
        """Length of its RSA key; None for a key of another kind."""
        key = self.x509.public_key()
        return key.key_size if isinstance(key, rsa.RSAPublicKey) else None

    def extension(self, kind: type[_Extension]) -> _Extension | None:
        """Return an extension, or None where the certificate has it not."""
        try:
            return self.x509.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    def __str__(self) -> str:
        return f"{self.thumbprint} ({self.subject})"


def parse_certificates(content: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a file or a message: PEM, or DER, also a chain.

    Raises:
        CertificateError: There is none, too many, or one is broken.
    """
    try:
        with warnings.catch_warnings():
            # What the library merely regrets in a certificate (a serial number of 0)
            # is no reason to refuse a server that has had it for years.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = _loaded(content)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CertificateError(f"not a certificate (PEM or DER): {error}") from error
    if not 0 < len(found) <= LONGEST_CHAIN:
        raise CertificateError(f"{len(found)} certificates in one place")
    return tuple(map(Certificate, found))


def _loaded(content: bytes) -> list[x509.Certificate]:
    if _PEM in content:
        found = x509.load_pem_x509_certificates(content)
    else:
        found = [x509.load_der_x509_certificate(each) for each in _split(content)]
    for each in found:
        # Read now what is read lazily: what is broken is refused here.
        _ = each.extensions, each.public_key(), each.subject, each.issuer
    return found


def _split(content: bytes) -> list[bytes]:
    """Return the DER certificates that follow one another."""
    parts: list[bytes] = []
    while content and len(parts) <= LONGEST_CHAIN:
        size = _der_size(content)
        parts.append(content[:size])
        content = content[size:]
    return parts


def _der_size(content: bytes) -> int:
    """Return how many bytes the first DER element of `content` has, all told."""
    if len(content) < 2 or content[0] != _SEQUENCE:  # noqa: PLR2004 - tag, length
        raise ValueError("no DER sequence")
    length = content[1]
    if length < _LONG_FORM:
        return 2 + length
    digits = length - _LONG_FORM
    size = 2 + digits + int.from_bytes(content[2 : 2 + digits], "big")
    if size > len(content):
        raise ValueError("it is cut off")
    return size


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_S
