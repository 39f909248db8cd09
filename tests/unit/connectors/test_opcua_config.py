from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connectors.opcua.config import parse_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.opcua.config import OpcuaSettings

    Build = Callable[..., OpcuaSettings]

FILES = {
    "certificate": "/a.der",
    "private_key": "/a.pem",
    "server_certificate": "/b.der",
}


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
        ({}, "needs certificate"),
        (FILES | {"private_key": None}, "needs certificate"),
        ({"policy": "none", "allow_insecure": True} | FILES, "have no use"),
        (FILES | {"user": "op"}, "go together"),
        (FILES | {"policy": "Basic128Rsa15"}, "Basic256Sha256"),
    ],
)
def test_half_a_protection_is_refused(
    opcua: Build, security: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        opcua(security=security)


def test_no_security_at_all_is_never_the_default(opcua: Build) -> None:
    with pytest.raises(ValidationError, match="allow_insecure"):
        opcua(security={})
    assert opcua(security=FILES).security.policy == "Basic256Sha256"


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
