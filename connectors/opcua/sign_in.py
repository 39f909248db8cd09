"""As whom we sign in, and that nobody else reads the password. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.crypto import security_policies

from connectors.opcua.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.opcua.config import SecuritySettings

_STRONG = frozenset(policy.URI for policy in POLICIES.values())


class NotLetInError(Exception):
    """The server does not let us in, or not safely; the text says why."""


def whom(settings: SecuritySettings) -> str:
    """Return who the configuration says that we are, in words."""
    if settings.user is not None:
        return f"user {settings.user!r} with the password of password_file"
    if settings.user_certificate is not None:
        return f"the user of {settings.user_certificate}"
    return "nobody in particular (anonymous)"


def token_policy(
    settings: SecuritySettings,
    offered: Sequence[ua.UserTokenPolicy],
    *,
    policy_uri: str,
    is_encrypted: bool,
) -> ua.UserTokenPolicy | None:
    """Return the safest way of signing in that the server offers.

    `policy_uri` is that of the channel, and counts where the server names none. None
    if it does not say what it offers.

    Raises:
        NotLetInError: It offers none for such as us, or only one that gives the
            password away.
    """
    kind = _kind(settings)
    found = [each for each in offered if each.TokenType == kind]
    if offered and not found:
        kinds = sorted({each.TokenType.name for each in offered})
        raise NotLetInError(
            f"the server does not let in {whom(settings)}; it wants "
            f"{' or '.join(kinds)}"
        )
    if kind is ua.UserTokenType.Anonymous:
        return next(iter(found), None)
    strong = [each for each in found if is_strong(each, policy_uri)]
    if strong:
        return strong[0]
    if kind is ua.UserTokenType.Certificate:
        raise NotLetInError(
            "the server wants no proof of the user's certificate that we could give"
        )
    return _plain(settings, found, is_encrypted=is_encrypted)


def is_strong(policy: ua.UserTokenPolicy, policy_uri: str) -> bool:
    """Whether what is sent by it is encrypted for, or signed to, the server alone."""
    return (policy.SecurityPolicyUri or policy_uri) in _STRONG


def is_about_identity(error: ua.UaStatusCodeError) -> bool:
    """Whether a refusal is about who we say we are."""
    name = ua.status_codes.get_name_and_doc(error.code)[0]
    return name.startswith(("BadIdentity", "BadUser"))


def _kind(settings: SecuritySettings) -> ua.UserTokenType:
    if settings.user is not None:
        return ua.UserTokenType.UserName
    if settings.user_certificate is not None:
        return ua.UserTokenType.Certificate
    return ua.UserTokenType.Anonymous


def _plain(
    settings: SecuritySettings,
    found: Sequence[ua.UserTokenPolicy],
    *,
    is_encrypted: bool,
) -> ua.UserTokenPolicy | None:
    """Let a password go as it is, where nobody else can read it."""
    nothing = ("", security_policies.SecurityPolicyNone.URI)
    plain = [each for each in found if (each.SecurityPolicyUri or "") in nothing]
    if (is_encrypted and plain) or settings.allow_plain_password:
        return next(iter(plain), None)
    raise NotLetInError(
        "the server wants the password in a way that others could read; choose "
        'mode = "SignAndEncrypt", or accept it in words: allow_plain_password = true'
    )
