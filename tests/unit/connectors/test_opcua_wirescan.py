from __future__ import annotations

import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import (
    extensionobject_to_binary,
    nodeid_to_binary,
    struct_to_binary,
    variant_to_binary,
)
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.published import ServiceFaultError, published
from connectors.opcua.wirescan import MalformedMessageError, Scan
from tests.unit.connectors.opcua_bytes import data_change, response

NUMBERS = st.integers(0, 2**32 - 1)
SPACES = st.integers(0, 2**16 - 1)
NODE_IDS = st.one_of(
    st.builds(ua.TwoByteNodeId, st.integers(0, 255)),
    st.builds(ua.FourByteNodeId, st.integers(0, 2**16 - 1), st.integers(0, 255)),
    st.builds(ua.NumericNodeId, NUMBERS, SPACES),
    st.builds(ua.StringNodeId, st.text(max_size=5), SPACES),
    st.builds(ua.GuidNodeId, st.uuids(), SPACES),
    st.builds(ua.ByteStringNodeId, st.binary(max_size=5), SPACES),
)
EXPANDED = st.builds(
    lambda number, space, uri, server: ua.ExpandedNodeId(
        number, space, ua.NodeIdType.Numeric, uri, server
    ),
    NUMBERS,
    SPACES,
    st.none() | st.text(min_size=1, max_size=5),
    st.none() | st.integers(1, 9),
)


def diagnostic(mask: int, inner: bytes = b"") -> bytes:
    """Return a DiagnosticInfo's bytes (Part 6, 5.2.2.12)."""
    numbers = b"".join(
        struct.pack("<i", 7) for bit in (0x01, 0x02, 0x08, 0x04) if mask & bit
    )
    text = struct.pack("<i", 3) + b"why" if mask & 0x10 else b""
    status = struct.pack("<I", 0x8001_0000) if mask & 0x20 else b""
    flag = 0x40 if inner else 0
    return bytes([mask & 0x3F | flag]) + numbers + text + status + inner


DIAGNOSTICS = st.recursive(
    st.integers(0, 0x3F).map(diagnostic),
    lambda inner: st.builds(diagnostic, st.integers(0, 0x3F), inner),
    max_leaves=3,
)


def ends(body: bytes, skip: str, *given: Any) -> None:  # noqa: ANN401 - of any method
    """Skip to the end and no further, and not at all where a byte is missing."""
    scan = Scan(body + b"more")
    getattr(scan, skip)(*given)
    assert scan.at == len(body)
    if body:
        with pytest.raises(MalformedMessageError):
            getattr(Scan(body, 0, len(body) - 1), skip)(*given)


@given(NODE_IDS | EXPANDED)
def test_node_ids_of_every_form_are_passed(node: ua.NodeId) -> None:
    body = nodeid_to_binary(node)
    ends(body, "skip_node_id")
    ends(body, "type_id")


@given(st.integers(0, 2**16 - 1))
def test_the_standards_own_types_are_known_by_number_in_every_form(number: int) -> None:
    forms: list[ua.NodeId] = [
        ua.FourByteNodeId(ua.Int32(number)),
        ua.NumericNodeId(ua.Int32(number), ua.Int16(0)),
    ]
    assert [Scan(nodeid_to_binary(form)).type_id() for form in forms] == [number] * 2
    foreign = ua.FourByteNodeId(ua.Int32(number), ua.Int16(2))
    assert Scan(nodeid_to_binary(foreign)).type_id() is None


def test_a_node_id_of_no_form_is_malformed() -> None:
    with pytest.raises(MalformedMessageError, match="form 9"):
        Scan(b"\x09" * 20).skip_node_id()


@given(DIAGNOSTICS)
def test_diagnostics_are_passed(body: bytes) -> None:
    ends(body, "skip_diagnostic")


@pytest.mark.parametrize(
    "value",
    [
        ua.Variant(ua.QualifiedName("a", ua.Int16(1))),
        ua.Variant(ua.LocalizedText("a", "de")),
        ua.Variant(ua.DataValue(ua.Variant(1.5)), ua.VariantType.DataValue),
        ua.Variant(ua.Variant([1, 2]), ua.VariantType.Variant),
        ua.Variant([[1, 2], [3, 4]], Dimensions=[ua.Int32(2)] * 2),
        ua.Variant(["a", None], ua.VariantType.String),
        ua.Variant(ua.Range(1.0, 2.0), ua.VariantType.ExtensionObject),
        ua.Variant(
            ua.DiagnosticInfo(AdditionalInfo=ua.String("a")),
            ua.VariantType.DiagnosticInfo,
        ),
    ],
)
def test_variants_of_every_kind_are_passed(value: ua.Variant) -> None:
    ends(variant_to_binary(value), "skip_variant")


def test_an_xml_body_is_passed_and_an_absent_one_too() -> None:
    ends(b"\x00\x07\x02" + struct.pack("<i", 3) + b"<a>", "skip_extension")
    ends(extensionobject_to_binary(None), "skip_extension")


def test_diagnostics_nested_without_end_are_malformed() -> None:
    with pytest.raises(MalformedMessageError, match="nested too deep"):
        Scan(b"\x40" * 1000).skip_diagnostic()


def test_a_header_with_all_it_may_have_is_read_past() -> None:
    plain = response(data_change([]))
    bare = struct_to_binary(ua.ResponseHeader())
    full = struct_to_binary(
        ua.ResponseHeader(
            ServiceDiagnostics=ua.DiagnosticInfo(AdditionalInfo=ua.String("why")),
            StringTable=["one", "two"],
        )
    )
    body = plain[:4] + full + plain[4 + len(bare) :]
    assert published(body).sequence_number == published(plain).sequence_number


def test_what_is_no_answer_to_publish_is_malformed() -> None:
    read = struct_to_binary(ua.ReadResponse())
    with pytest.raises(MalformedMessageError, match="829"):
        published(read)


def test_a_fault_is_told_by_its_status_and_one_without_is_malformed() -> None:
    fault = ua.ServiceFault()
    with pytest.raises(MalformedMessageError, match="none"):
        published(struct_to_binary(fault))
    fault.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(0x8025_0000))
    with pytest.raises(ServiceFaultError) as refused:
        published(struct_to_binary(fault))
    assert refused.value.status == 0x8025_0000


def test_a_notification_without_a_body_is_malformed() -> None:
    with pytest.raises(MalformedMessageError, match="without a body"):
        published(response(struct.pack("<BBHB", 1, 0, 811, 0)))
