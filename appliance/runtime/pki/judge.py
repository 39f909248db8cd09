"""Whether a peer's certificate holds; every reason against it, by name. Pure.

The steps are those of OPC UA Part 4, table 100; all of them are taken, so that a person
learns everything that is wrong at once.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.runtime.pki.certificate import NS_PER_S, Certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LEAST_RSA_BITS = 2048
_LONGEST_PATH = 8
_WEAK_DIGESTS = frozenset({"md5", "sha1"})


class Reason(StrEnum):
    """Why a certificate does not hold."""

    UNTRUSTED = "untrusted"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REVOCATION_UNKNOWN = "revocation-unknown"
    WRONG_APPLICATION_URI = "wrong-application-uri"
    WRONG_HOST_NAME = "wrong-host-name"
    WEAK_KEY = "weak-key"
    WEAK_SIGNATURE = "weak-signature"
    WRONG_USAGE = "wrong-usage"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason, said in words, and what a person does about it."""

    reason: Reason
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Trust:
    """What is trusted; who else may stand in a chain; what was revoked."""

    trusted: tuple[Certificate, ...] = ()
    issuers: tuple[Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What the certificate must say. None: that is not looked at.

    `pinned` is the one certificate that we were told to accept.
    """

    application_uri: str | None = None
    host: str | None = None
    pinned: Certificate | None = None
    allow_missing_crl: bool = False


def refusals(
    chain: Sequence[Certificate], trust: Trust, expected: Expected, *, now_ns: int
) -> tuple[Refusal, ...]:
    """Return every reason against the first certificate of a chain; none: it holds."""
    return tuple(_Judgement(chain, trust, expected, now_ns).refusals())


@dataclass(slots=True)
class _Judgement:
    chain: Sequence[Certificate]
    trust: Trust
    expected: Expected
    now_ns: int
    path: list[Certificate] = field(init=False)

    def __post_init__(self) -> None:
        self.path = self._path()

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]

    def refusals(self) -> Iterator[Refusal]:
        steps: tuple[Callable[[], Iterator[Refusal]], ...] = (
            self._trusted, self._strong, self._in_time, self._right_host,
            self._right_application, self._right_usage, self._not_revoked,
        )  # fmt: skip
        for step in steps:
            yield from step()

    def _path(self) -> list[Certificate]:
        """Return the leaf and its issuers, as far up as they are known."""
        known = (*self.trust.trusted, *self.trust.issuers, *self.chain[1:])
        path = [self.leaf]
        while not path[-1].is_self_issued and len(path) < _LONGEST_PATH:
            below = path[-1]
            above = next((each for each in known if _issued(each, below)), None)
            if above is None or above in path:
                break
            path.append(above)
        return path

    @property
    def _is_known_itself(self) -> bool:
        return self.leaf in self.trust.trusted or self.leaf == self.expected.pinned

    def _trusted(self) -> Iterator[Refusal]:
        pinned, leaf = self.expected.pinned, self.leaf
        if pinned is not None:
            if leaf != pinned:
                yield Refusal(
                    Reason.UNTRUSTED,
                    f"certificate {leaf} is another than server_certificate, {pinned}",
                    "find out why; if the server was given a new certificate, "
                    "configure that one",
                )
            return
        if not any(each in self.trust.trusted for each in self.path):
            yield Refusal(
                Reason.UNTRUSTED,
                f"certificate {leaf} is not trusted",
                "compare the thumbprint with the one that the server shows, then: "
                f"wheeltapper pki trust {leaf.thumbprint}",
            )

    def _strong(self) -> Iterator[Refusal]:
        leaf = self.leaf
        renew = "give the server a certificate with an RSA key of 2048 bits or more"
        bits = leaf.rsa_bits
        if bits is None:
            yield Refusal(Reason.WEAK_KEY, f"{leaf}: its key is not RSA", renew)
        elif bits < LEAST_RSA_BITS:
            message = f"{leaf}: its key has {bits} bits; {LEAST_RSA_BITS} is the least"
            yield Refusal(Reason.WEAK_KEY, message, renew)
        digest = leaf.x509.signature_hash_algorithm
        if digest is not None and digest.name in _WEAK_DIGESTS:
            yield Refusal(
                Reason.WEAK_SIGNATURE,
                f"{leaf}: it is signed with {digest.name}, which can be forged",
                "give the server a certificate signed with SHA-256",
            )

    def _in_time(self) -> Iterator[Refusal]:
        for each in self.path:
            if self.now_ns < each.begins_ns:
                yield Refusal(
                    Reason.NOT_YET_VALID,
                    f"{each}: it is valid from {_day(each.begins_ns)}, and our clock "
                    f"says {_day(self.now_ns)}",
                    "set the clocks of gateway and server right",
                )
            if self.now_ns > each.ends_ns:
                yield Refusal(
                    Reason.EXPIRED,
                    f"{each}: it ended on {_day(each.ends_ns)}, and our clock says "
                    f"{_day(self.now_ns)}",
                    "give the server a new certificate, then trust that",
                )

    def _right_host(self) -> Iterator[Refusal]:
        host = self.expected.host
        if host is None or self.expected.pinned is not None:
            return
        names = self.leaf.host_names
        if not any(_same_host(name, host) for name in names):
            yield Refusal(
                Reason.WRONG_HOST_NAME,
                f"{self.leaf}: it is for {', '.join(names) or 'no host'}, and we "
                f"called {host}",
                "use one of these names in url, or accept it in words: "
                "check_host_name = false",
            )

    def _right_application(self) -> Iterator[Refusal]:
        uri = self.expected.application_uri
        if uri is not None and uri not in self.leaf.application_uris:
            said = ", ".join(self.leaf.application_uris) or "none"
            yield Refusal(
                Reason.WRONG_APPLICATION_URI,
                f"{self.leaf}: it is for the application {said}, and the server calls "
                f"itself {uri}",
                "give the server a certificate of its own application URI",
            )

    def _right_usage(self) -> Iterator[Refusal]:
        leaf = self.leaf
        remedy = "give the server a certificate for an OPC UA server"
        usage = leaf.extension(x509.KeyUsage)
        encrypts = usage is None or usage.key_encipherment or usage.data_encipherment
        if usage is not None and not (usage.digital_signature and encrypts):
            message = f"{leaf}: its key is not for signing and encrypting"
            yield Refusal(Reason.WRONG_USAGE, message, remedy)
        extended = leaf.extension(x509.ExtendedKeyUsage)
        if extended is not None and ExtendedKeyUsageOID.SERVER_AUTH not in extended:
            message = f"{leaf}: it is not for a server (serverAuth is missing)"
            yield Refusal(Reason.WRONG_USAGE, message, remedy)

    def _not_revoked(self) -> Iterator[Refusal]:
        for below, above in zip(self.path, self.path[1:], strict=False):
            lists = [crl for crl in self.trust.crls if _lists(crl, above)]
            serial = below.x509.serial_number
            if any(
                crl.get_revoked_certificate_by_serial_number(serial) for crl in lists
            ):
                yield Refusal(
                    Reason.REVOKED,
                    f"{below}: {above.subject} has revoked it",
                    "give the server a new certificate",
                )
            elif not self._may_do_without(lists, below):
                yield Refusal(
                    Reason.REVOCATION_UNKNOWN,
                    f"{below}: whether {above.subject} has revoked it is not known: "
                    + ("its list is out of date" if lists else "there is no list"),
                    "put the issuer's current revocation list (CRL) into the folder "
                    "issuers, or accept it in words: allow_missing_crl = true",
                )

    def _may_do_without(
        self, lists: Sequence[x509.CertificateRevocationList], below: Certificate
    ) -> bool:
        if self.expected.allow_missing_crl or self._is_known_itself:
            return True
        if below is not self.leaf and below in self.trust.trusted:
            return True  # an issuer that is trusted itself needs nobody above it
        now = datetime.fromtimestamp(self.now_ns / NS_PER_S, UTC)
        return any(
            crl.next_update_utc is None or crl.next_update_utc >= now for crl in lists
        )


def _issued(above: Certificate, below: Certificate) -> bool:
    """Whether one is a CA and has signed the other."""
    constraints = above.extension(x509.BasicConstraints)
    usage = above.extension(x509.KeyUsage)
    if constraints is None or not constraints.ca:
        return False
    if usage is not None and not usage.key_cert_sign:
        return False
    try:
        below.x509.verify_directly_issued_by(above.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _lists(crl: x509.CertificateRevocationList, above: Certificate) -> bool:
    """Whether this revocation list is the issuer's own."""
    key = above.x509.public_key()
    if crl.issuer != above.x509.subject or not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        return crl.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _same_host(name: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return name.rstrip(".").casefold() == host.rstrip(".").casefold()


def _day(utc_ns: int) -> str:
    moment = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
