"""What a server offers to those who come, and which endpoint to take. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asyncua import ua

from appliance.runtime.pki.certificate import (
    Certificate,
    CertificateError,
    parse_certificates,
)
from appliance.runtime.pki.judge import Expected, Trust, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BEST_FIRST: Final = (
    ("Aes256_Sha256_RsaPss", "SignAndEncrypt"),
    ("Aes128_Sha256_RsaOaep", "SignAndEncrypt"),
    ("Basic256Sha256", "SignAndEncrypt"),
    ("Aes256_Sha256_RsaPss", "Sign"),
    ("Aes128_Sha256_RsaOaep", "Sign"),
    ("Basic256Sha256", "Sign"),
    ("none", "None"),
)
_KINDS: Final = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user name",
    ua.UserTokenType.Certificate: "certificate",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One endpoint; `against` says why its certificate does not hold."""

    policy: str
    mode: str
    users: tuple[str, ...]
    certificate: Certificate | None = None
    against: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether we speak this policy."""
        return (self.policy, self.mode) in _BEST_FIRST

    def row(self) -> Mapping[str, str]:
        """Return it as a row for people."""
        trusted = "no" if self.against else "yes"
        return {
            "policy": self.policy + ("" if self.is_usable else " (too weak for us)"),
            "mode": self.mode,
            "users": ", ".join(self.users) or "not said",
            "certificate": self.certificate.thumbprint if self.certificate else "",
            "trusted": trusted if self.certificate else "",
        }


def offer_of(
    endpoint: ua.EndpointDescription, trust: Trust, *, host: str | None, now_ns: int
) -> Offer:
    """Return an endpoint in our words, with its certificate judged."""
    policy = str(endpoint.SecurityPolicyUri).rpartition("#")[2]
    users = tuple(
        dict.fromkeys(
            _KINDS.get(each.TokenType, each.TokenType.name)
            for each in endpoint.UserIdentityTokens or ()
        )
    )
    offer = Offer(
        "none" if policy == "None" else policy,
        str(endpoint.SecurityMode.name).rstrip("_"),
        users,
    )
    if offer.policy == "none" or not endpoint.ServerCertificate:
        return offer
    try:
        chain = parse_certificates(endpoint.ServerCertificate)
    except CertificateError as error:
        return _refused(offer, None, (str(error),), "have the server's vendor mend it")
    expected = Expected(endpoint.Server.ApplicationUri, host=host)
    found = refusals(chain, trust, expected, now_ns=now_ns)
    reasons = tuple(each.message for each in found)
    remedy = "; ".join(dict.fromkeys(each.remedy for each in found))
    return _refused(offer, chain[0], reasons, remedy)


def best_of(offers: Sequence[Offer]) -> Offer | None:
    """Return the safest endpoint that we can use."""
    by_kind = {(each.policy, each.mode): each for each in reversed(offers)}
    return next((by_kind[kind] for kind in _BEST_FIRST if kind in by_kind), None)


def security_keys(offer: Offer, source: str) -> dict[str, object]:
    """Return `[sources.security]` as this endpoint needs it.

    Where it wants somebody and nobody is named, a name and a file to be filled in.
    """
    keys: dict[str, object] = {"policy": offer.policy}
    if offer.policy == "none":
        keys["allow_insecure"] = True
    else:
        keys["mode"] = offer.mode
    if "anonymous" in offer.users or not offer.users:
        if offer.policy != "none":
            keys["allow_anonymous"] = True
    elif "user name" in offer.users:
        keys["user"] = "wheeltapper"
        keys["password_file"] = f"/etc/wheeltapper/secrets/{source}"
    elif offer.policy != "none":
        keys["user_certificate"] = f"/etc/wheeltapper/secrets/{source}.der"
        keys["user_private_key"] = f"/etc/wheeltapper/secrets/{source}.key.pem"
    return keys


def _refused(
    offer: Offer, found: Certificate | None, against: tuple[str, ...], remedy: str
) -> Offer:
    return Offer(offer.policy, offer.mode, offer.users, found, against, remedy)
