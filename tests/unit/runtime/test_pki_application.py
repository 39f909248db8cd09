"""What we call ourselves before OPC UA servers."""

from __future__ import annotations

import pytest

from appliance.runtime.pki.application import (
    FORMER_URI,
    application_uri,
    gateway_uri,
    host_uri,
)
from tests.unit.runtime.certificates import NOW_NS, make

OURS = gateway_uri("hall-3", "gw-1")
HERE = host_uri("ipc-7")
NEIGHBOUR = gateway_uri("hall-3", "gw-2")


@pytest.mark.parametrize(
    ("gateway", "have", "name"),
    [
        (OURS, [], OURS),
        (None, [], HERE),
        (OURS, [FORMER_URI], FORMER_URI),
        (OURS, [HERE], HERE),
        (OURS, [FORMER_URI, OURS], OURS),
        (OURS, ["urn:somebody:s", NEIGHBOUR], OURS),
        (None, [OURS], OURS),
        (None, ["urn:somebody:s"], HERE),
    ],
)
def test_a_name_with_a_certificate_goes_before_one_without(
    gateway: str | None, have: list[str], name: str
) -> None:
    own = [make(uri=uri).certificate for uri in have]
    assert application_uri(gateway, own, host="ipc-7", now_ns=NOW_NS) == name


def test_of_several_names_that_of_the_newest_certificate_counts() -> None:
    own = [
        make(uri=FORMER_URI, from_days=-9).certificate,
        make(uri=HERE, from_days=-1).certificate,
    ]
    assert application_uri(OURS, own, host="ipc-7", now_ns=NOW_NS) == HERE


def test_the_name_of_a_certificate_that_has_ended_does_not_count() -> None:
    own = [make(uri=FORMER_URI, from_days=-9, to_days=-1).certificate]
    assert application_uri(OURS, own, host="ipc-7", now_ns=NOW_NS) == OURS


def test_a_name_is_ascii_and_says_site_and_gateway_apart() -> None:
    assert gateway_uri("a:b", "c") == "urn:wheeltapper:a%3Ab:c"
    assert gateway_uri("Süd", "gw").isascii()
