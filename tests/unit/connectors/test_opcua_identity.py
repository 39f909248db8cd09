from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asyncua import ua

from appliance.domain.tag import parse_tag_id
from connectors.opcua.identity import Identity, Nature
from connectors.opcua.semantics import type_name, unece_code
from connectors.opcua.tags import OpcuaTagSettings
from connectors.opcua.units import same_unit
from connectors.opcua.wording import few, span_words

if TYPE_CHECKING:
    from typing import Any

TYPE, UNIT = 0x8074_0000, 0x8089_0000
FLOW = parse_tag_id("P-101/flow")
WAS = Nature("Double", -1, "m3/h", (0.0, 120.0))


def settings(**given: Any) -> OpcuaTagSettings:  # noqa: ANN401 - keys of a TOML table
    return OpcuaTagSettings.model_validate({"id": FLOW, "node": "i=2258"} | given)


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (WAS, None),
        (Nature("Float", -1, "m3/h"), TYPE),
        (Nature("Double", 1, "m3/h"), TYPE),
        (Nature("Double", -1, "l/min"), UNIT),
        (Nature("Double", -1, "m\u00b3/h"), None),
        (Nature("Double", -2, "m3/h"), None),
        (Nature(), None),
    ],
)
def test_a_node_that_became_another_is_refused(now: Nature, status: int | None) -> None:
    identity = Identity()
    assert identity.judge(FLOW, settings(), WAS) is None
    assert identity.judge(FLOW, settings(), now) == status
    assert [each.priority for each in identity.diagnostics] == (
        [] if status is None else ["high"]
    )
    assert identity.judge(FLOW, settings(), WAS) is None
    assert identity.diagnostics == ()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"type": "Double"}, None),
        ({"type": "Float"}, TYPE),
        ({"engineering_units": "m3/h"}, None),
        ({"engineering_units": "bar"}, UNIT),
        ({"engineering_units": "bar", "server_units": "m3/h"}, None),
        ({"engineering_units": "m3/h", "server_units": "m3"}, UNIT),
        ({"engineering_units": "bar", "field": "drive.pressure"}, None),
    ],
)
def test_the_configuration_is_the_truth(
    given: dict[str, str], status: int | None
) -> None:
    assert Identity().judge(FLOW, settings(**given), WAS) == status


def test_what_becomes_known_later_is_remembered_from_then_on() -> None:
    identity = Identity()
    assert identity.judge(FLOW, settings(), Nature()) is None
    assert identity.judge(FLOW, settings(), WAS) is None
    assert identity.eu_range(FLOW) == (0.0, 120.0)
    assert identity.judge(FLOW, settings(), Nature("Int32")) == TYPE


def test_another_range_is_said_and_hurts_nobody() -> None:
    identity = Identity()
    identity.judge(FLOW, settings(), WAS)
    now = Nature("Double", -1, "m3/h", (0.0, 60.0))
    assert identity.judge(FLOW, settings(), now) is None
    (said,) = identity.diagnostics
    assert "was 0..120 and is 0..60" in said.message
    identity.judge(FLOW, settings(), WAS)
    assert identity.diagnostics == ()


def test_a_hundred_tags_of_one_kind_make_one_diagnostic() -> None:
    identity = Identity()
    names = [parse_tag_id(f"P-101/t{row}") for row in range(100)]
    for name in names:
        identity.judge(name, settings(), Nature("Double"))
        identity.judge(name, settings(), Nature("Float"))
    (said,) = identity.diagnostics
    assert len(said.tags) == 100
    assert "and 95 more" in said.message


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("degC", "\u00b0C", True),
        ("degC", "CEL", True),
        ("m3/h", "m^3/h", True),
        ("rpm", "1/min", True),
        ("%", "percent", True),
        ("mm/s", "mm/s", True),
        ("\u00b5m", "um", True),
        ("MW", "mW", False),
        ("bar", "psi", False),
        ("bar", "barg", False),
        ("mPa", "MPa", False),
        ("K", "degC", False),
        ("s", "S", False),
        ("", "bar", False),
    ],
)
def test_spellings_of_one_unit_are_the_same(one: str, other: str, same: bool) -> None:
    assert same_unit(one, other) is same
    assert same_unit(other, one) is same


def test_a_type_is_named_by_namespace_uri() -> None:
    uris = ["http://opcfoundation.org/UA/", "urn:plant"]
    assert type_name(ua.NodeId.from_string("i=11"), uris) == "Double"
    assert type_name(ua.NodeId.from_string("ns=1;i=3002"), uris) == (
        "nsu=urn:plant;i=3002"
    )
    assert type_name(ua.NodeId.from_string("ns=7;i=1"), uris) == "nsu=?7;i=1"
    assert type_name(ua.NodeId.from_string("i=999999"), uris) == "i=999999"


@pytest.mark.parametrize(
    ("number", "code"),
    [(4408652, "CEL"), (20529, "P1"), (-1, ""), (1, ""), (2**24, "")],
)
def test_unece_codes(number: int, code: str) -> None:
    assert unece_code(number) == code


def test_words() -> None:
    tags = [parse_tag_id(f"P-1/t{row}") for row in range(7)]
    assert few(tags).endswith("P-1/t4 and 2 more")
    assert span_words(-59.6) == "1 min 0 s"
    assert span_words(30) == "30 s"
    assert span_words(3 * 86_400 + 7200) == "3 d 2 h"
