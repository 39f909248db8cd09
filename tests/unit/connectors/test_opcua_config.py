from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connectors.opcua.tags import parse_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.opcua.config import OpcuaSettings

    Build = Callable[..., OpcuaSettings]

FILES = {
    "certificate": "/a.der",
    "private_key": "/a.pem",
    "server_certificate": "/b.der",
}
NOBODY = {"allow_anonymous": True}
OPEN = {"policy": "none", "allow_insecure": True}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("nsu=urn:plant;s=P-101/flow", ("urn:plant", "s=P-101/flow")),
        ("nsu=urn:a%3Bb;i=7", ("urn:a;b", "i=7")),
        ("i=2258", (None, "i=2258")),
        ("nsu=urn:plant;s=a;b=c", ("urn:plant", "s=a;b=c")),
    ],
)
def test_nodes_are_named_by_namespace_uri(
    text: str, parsed: tuple[str | None, str]
) -> None:
    assert parse_node(text) == parsed


@pytest.mark.parametrize("node", ["ns=2;s=x", "P-101", "nsu=;s=x", "nsu=urn:a;s="])
def test_other_names_of_nodes_are_refused(opcua: Build, node: str) -> None:
    with pytest.raises(ValidationError, match="node"):
        opcua(tags=[{"id": "a/b", "node": node}])
    with pytest.raises(ValueError, match="nsu=URI"):
        parse_node(node)


@pytest.mark.parametrize(
    ("security", "message"),
    [
        ({"policy": "none"}, "allow_insecure = true"),
        ({}, "allow_anonymous = true"),
        (FILES, "allow_anonymous = true"),
        (FILES | NOBODY | {"private_key": None}, "go together"),
        (OPEN | FILES, "have no use"),
        (OPEN | {"server_certificate": "/b.der"}, "have no use"),
        (FILES | {"user": "op"}, "go together"),
        (FILES | {"user_certificate": "/u.der"}, "go together"),
        (
            OPEN | {"user_certificate": "/u.der", "user_private_key": "/u.pem"},
            "needs another policy",
        ),
        (
            {
                "user": "op",
                "password_file": "/p",
                "user_certificate": "/u.der",
                "user_private_key": "/u.pem",
            },
            "not both",
        ),
        (NOBODY | {"mode": "None"}, "SignAndEncrypt"),
        (FILES | {"policy": "Basic128Rsa15"}, "Basic256Sha256"),
    ],
)
def test_half_a_protection_is_refused(
    opcua: Build, security: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        opcua(security=security)


def test_no_security_at_all_is_never_the_default(opcua: Build) -> None:
    for nothing in ({}, {"policy": "none"}):
        with pytest.raises(ValidationError):
            opcua(security=nothing)
    secured = opcua(security=NOBODY).security
    assert (secured.policy, secured.mode) == ("Basic256Sha256", "SignAndEncrypt")


def test_a_policy_has_the_name_of_its_uri_and_the_former_one_still_counts(
    opcua: Build,
) -> None:
    for name in ("Aes256_Sha256_RsaPss", "Aes256Sha256RsaPss"):
        given = opcua(security=NOBODY | {"policy": name})
        assert given.security.policy == "Aes256_Sha256_RsaPss"


def test_an_open_channel_that_is_accepted_needs_no_name(opcua: Build) -> None:
    assert not opcua(security=OPEN).security.is_secured


@pytest.mark.parametrize(
    "url", ["opc.tcp://user:pw@host/", "http://host/", "opc.tcp://"]
)
def test_a_url_that_leads_nowhere_is_refused(opcua: Build, url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        opcua(url=url)


def test_keep_alives_rarer_than_stale_are_refused(opcua: Build) -> None:
    with pytest.raises(ValidationError, match="stale_after_s"):
        opcua(keep_alive_s=9.0, tags=[{"id": "a/b", "node": "i=2258"}])


def test_a_sample_rate_belongs_to_a_waveform(opcua: Build) -> None:
    with pytest.raises(ValidationError, match="waveform = true"):
        opcua(tags=[{"id": "a/b", "node": "i=1", "sample_rate_hz": 10.0}])


def test_a_point_is_listed_once(opcua: Build) -> None:
    with pytest.raises(ValidationError, match="listed twice"):
        opcua(points=[{"name": "x", "node": "i=1"}, {"name": "x", "node": "i=2"}])


def test_a_tag_names_a_group_that_there_is(opcua: Build) -> None:
    groups = [{"name": "slow", "publishing_interval_s": 2.0, "mode": "poll"}]
    tags = [{"id": "a/b", "node": "i=1", "group": "slow"}]
    known = opcua(groups=groups, tags=tags).all_groups
    assert list(known) == ["subscription", "slow"]
    assert known["subscription"].publishing_interval_s == 0.25
    with pytest.raises(ValidationError, match="unknown group 'slow'; known: subscr"):
        opcua(tags=tags)
    with pytest.raises(ValidationError, match="listed twice"):
        opcua(groups=groups * 2)


def test_a_group_that_is_told_too_rarely_is_always_stale(opcua: Build) -> None:
    groups = [{"name": "slow", "publishing_interval_s": 9.0}]
    tags = [{"id": "a/b", "node": "i=1", "group": "slow"}]
    assert opcua(groups=groups).tags == ()
    with pytest.raises(ValidationError, match="always stale"):
        opcua(groups=groups, tags=tags)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"deadband": 1.0, "deadband_pct": 1.0}, "not both"),
        ({"deadband": 1.0, "waveform": True}, "no deadband"),
        ({"element": 1, "waveform": True}, "whole array"),
        ({"deadband_pct": 101.0}, "deadband_pct"),
        ({"deadband": 0.0}, "deadband"),
        ({"element": -1}, "element"),
        ({"field": "a..b"}, "field"),
        ({"queue_size": 0}, "queue_size"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    opcua: Build, given: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        opcua(tags=[{"id": "a/b", "node": "i=1"} | given])
