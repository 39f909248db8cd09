from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import ua

from appliance.runtime.pki.certificate import NS_PER_DAY
from appliance.runtime.pki.judge import Reason, Refusal
from connectors.opcua.config import SecuritySettings
from connectors.opcua.policies import POLICIES
from connectors.opcua.sign_in import NotLetInError, token_policy
from connectors.opcua.standing import Standing, security_diagnostics
from tests.unit.runtime.certificates import NOW_NS, make

STRONG = POLICIES["Basic256Sha256"].URI
NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
WEAK = "http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15"
USER = SecuritySettings(user="op", password_file=Path("p"))
CERTIFICATE = SecuritySettings(
    user_certificate=Path("u.der"), user_private_key=Path("u.pem")
)
NOBODY = SecuritySettings(allow_anonymous=True)


def offer(kind: ua.UserTokenType, *uris: str | None) -> list[ua.UserTokenPolicy]:
    return [ua.UserTokenPolicy(TokenType=kind, SecurityPolicyUri=uri) for uri in uris]


def chosen(
    settings: SecuritySettings,
    offered: list[ua.UserTokenPolicy],
    *,
    channel: str = STRONG,
    is_encrypted: bool = False,
) -> str | None:
    found = token_policy(
        settings, offered, policy_uri=channel, is_encrypted=is_encrypted
    )
    assert found is not None
    uri: str | None = found.SecurityPolicyUri
    return uri


def test_of_many_ways_for_a_password_the_encrypted_one_is_taken() -> None:
    offered = offer(ua.UserTokenType.UserName, NONE, WEAK, STRONG)
    assert chosen(USER, offered) == STRONG


def test_where_no_way_is_named_that_of_the_channel_counts() -> None:
    offered = offer(ua.UserTokenType.UserName, NONE, None)
    assert chosen(USER, offered) is None
    with pytest.raises(NotLetInError, match="others could read"):
        chosen(USER, offered, channel=NONE)


@pytest.mark.parametrize("uri", [NONE, WEAK])
def test_a_password_is_not_given_away_to_who_listens(uri: str) -> None:
    offered = offer(ua.UserTokenType.UserName, uri)
    with pytest.raises(NotLetInError, match="allow_plain_password"):
        chosen(USER, offered)


def test_within_an_encrypted_channel_it_may_go_as_it_is() -> None:
    offered = offer(ua.UserTokenType.UserName, NONE)
    assert chosen(USER, offered, is_encrypted=True) == NONE
    allowed = USER.model_copy(update={"allow_plain_password": True})
    assert chosen(allowed, offered) == NONE


def test_what_is_broken_encryption_is_none() -> None:
    offered = offer(ua.UserTokenType.UserName, WEAK)
    with pytest.raises(NotLetInError):
        chosen(USER, offered, is_encrypted=True)


def test_a_user_certificate_is_never_shown_without_a_proof() -> None:
    offered = offer(ua.UserTokenType.Certificate, NONE)
    with pytest.raises(NotLetInError, match="no proof"):
        chosen(CERTIFICATE, offered, is_encrypted=True)
    assert chosen(CERTIFICATE, offer(ua.UserTokenType.Certificate, STRONG)) == STRONG


def test_who_is_not_wanted_hears_who_is() -> None:
    offered = offer(ua.UserTokenType.UserName, STRONG)
    with pytest.raises(NotLetInError, match="it wants UserName"):
        chosen(NOBODY, offered)
    with pytest.raises(NotLetInError, match=r"the user of u\.der"):
        chosen(CERTIFICATE, offered)


def test_a_server_that_says_nothing_is_asked_anonymously_only() -> None:
    assert token_policy(NOBODY, [], policy_uri=NONE, is_encrypted=False) is None
    with pytest.raises(NotLetInError):
        token_policy(USER, [], policy_uri=NONE, is_encrypted=False)


# ------------------------------------------------------------------ what is told

OLD = make("old", from_days=-300, to_days=40).certificate
NEW = make("new").certificate


def test_nothing_known_is_nothing_told() -> None:
    assert security_diagnostics(Standing(), now_ns=NOW_NS) == ()


def test_a_refused_server_is_told_with_every_remedy_once() -> None:
    refusals = (
        Refusal(Reason.UNTRUSTED, "a", "do x"),
        Refusal(Reason.EXPIRED, "b", "do y"),
        Refusal(Reason.WEAK_KEY, "c", "do x"),
    )
    (found,) = security_diagnostics(
        Standing(server=NEW, refusals=refusals), now_ns=NOW_NS
    )
    assert (found.key, found.message) == ("server certificate", "a; b; c")
    assert (found.remedy, found.priority) == ("do x; do y", "high")


@pytest.mark.parametrize(("days", "priority"), [(0, "medium"), (35, "high")])
def test_a_new_certificate_that_is_refused_is_urgent_when_the_old_one_ends(
    days: int, priority: str
) -> None:
    standing = Standing(in_use=OLD, newest=NEW, refused=NEW, why_refused="Bad")
    now_ns = NOW_NS + days * NS_PER_DAY
    (found,) = security_diagnostics(standing, now_ns=now_ns)
    assert (found.key, found.priority) == ("certificate", priority)
    assert f"in use for {40 - days} days more" in found.message
    assert NEW.thumbprint in found.remedy


def test_the_remedy_for_files_is_files() -> None:
    standing = Standing(in_use=OLD, newest=OLD)
    now_ns = NOW_NS + 20 * NS_PER_DAY
    (made,) = security_diagnostics(standing, now_ns=now_ns)
    assert "pki renew" in made.remedy
    (given,) = security_diagnostics(replace(standing, makes_own=False), now_ns=now_ns)
    assert "replace the files" in given.remedy
