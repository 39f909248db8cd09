from __future__ import annotations

import struct

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.picking import Pick
from connectors.opcua.structures import (
    FieldLayout,
    Layout,
    Layouts,
    MalformedStructureError,
    layout_of,
    leaf,
)

INT32, STRING, DOUBLE, EXTENSION = 6, 12, 11, 22
AXIS = Layout((FieldLayout("x", DOUBLE), FieldLayout("y", DOUBLE)))
DRIVE = Layout(
    (
        FieldLayout("name", STRING),
        FieldLayout("axes", 0, "axis", is_array=True),
        FieldLayout("main", 0, "axis"),
        FieldLayout("counts", INT32, is_array=True),
        FieldLayout("more", EXTENSION),
    )
)
LAYOUTS = Layouts({"axis": AXIS, "drive": DRIVE}, {"ns=1;i=5": "drive"})
BODY = (
    struct.pack("<i4s", 4, b"left")
    + struct.pack("<idd", 1, 1.0, 2.0)
    + struct.pack("<dd", 3.0, 4.0)
    + struct.pack("<iii", 2, 7, 8)
    + b"\x00\x00\x00"
)


def field(name: str, *, optional: bool = False) -> ua.StructureField:
    return ua.StructureField(Name=name, ValueRank=-1, IsOptional=optional)


@pytest.mark.parametrize(
    ("path", "value"),
    [("name", "left"), ("main.x", 3.0), ("main.y", 4.0), ("counts", [7, 8])],
)
def test_a_field_is_found_behind_others(path: str, value: object) -> None:
    assert leaf(BODY, DRIVE, path.split("."), LAYOUTS) == value


@pytest.mark.parametrize("path", ["x", "main.z", "name.x", "axes.x", ""])
def test_a_field_that_is_not_there_is_not_found(path: str) -> None:
    with pytest.raises(LookupError):
        leaf(BODY, DRIVE, path.split(".") if path else [], LAYOUTS)


@pytest.mark.parametrize("path", ["main", "more"])
def test_a_structure_is_no_value(path: str) -> None:
    assert isinstance(leaf(BODY, DRIVE, [path], LAYOUTS), ua.ExtensionObject)


@pytest.mark.parametrize("body", [b"", BODY[:6], BODY[:40], b"\xff\xff\xff\x7f" + BODY])
def test_bytes_that_are_cut_off_are_no_structure(body: bytes) -> None:
    with pytest.raises(MalformedStructureError):
        leaf(body, DRIVE, ["counts"], LAYOUTS)


@given(st.binary(max_size=80))
def test_no_bytes_make_anything_but_a_value_or_a_known_error(body: bytes) -> None:
    pick = Pick(1, ("counts",), LAYOUTS)
    content = ua.ExtensionObject(ua.NodeId.from_string("ns=1;i=5"), ua.ByteString(body))
    part, status = pick(content, 0)
    assert part is None or isinstance(part, int)
    assert (part is None) == (status != 0)


def test_optional_fields_and_unions_follow_their_mask() -> None:
    definition = ua.StructureDefinition(
        StructureType=ua.StructureType.StructureWithOptionalFields,
        Fields=[field("a", optional=True), field("b", optional=True), field("c")],
    )
    layout = layout_of(definition, [INT32, INT32, INT32])
    body = struct.pack("<Iii", 0b10, 5, 6)
    found = [leaf(body, layout, [name], LAYOUTS) for name in "abc"]
    assert found == [None, 5, 6]
    definition.StructureType = ua.StructureType.Union
    layout = layout_of(definition, [INT32, DOUBLE, INT32])
    body = struct.pack("<Id", 2, 1.5)
    found = [leaf(body, layout, [name], LAYOUTS) for name in "abc"]
    assert found == [None, 1.5, None]
    assert leaf(struct.pack("<I", 0), layout, ["a"], LAYOUTS) is None


def test_a_structure_without_definition_is_malformed() -> None:
    layout = Layout((FieldLayout("inner", 0, "nowhere"),))
    with pytest.raises(MalformedStructureError, match="no definition"):
        leaf(b"\0" * 8, layout, ["inner", "x"], Layouts())


def test_a_structure_that_contains_itself_for_ever_ends() -> None:
    own = Layout((FieldLayout("a", 0, "own"), FieldLayout("b", INT32)))
    with pytest.raises(MalformedStructureError, match="nested"):
        leaf(b"\0" * 8, own, ["b"], Layouts({"own": own}))


def test_structures_of_the_standard_are_picked_too() -> None:
    content = ua.EUInformation(DisplayName=ua.LocalizedText("bar"), UnitId=7)
    assert Pick(None, ("UnitId",), LAYOUTS)(content, 0) == (7, 0)
    assert Pick(None, ("DisplayName", "Text"), LAYOUTS)(content, 0) == ("bar", 0)
    missing = (None, ua.StatusCodes.BadNoMatch)
    assert Pick(None, ("Wrong",), LAYOUTS)(content, 0) == missing
    assert Pick(None, ("UnitId", "x"), LAYOUTS)(content, 0) == missing


@pytest.mark.parametrize(
    ("content", "status", "picked"),
    [
        (None, 0, (None, 0)),
        ([1, 2, 3], 0, (2, 0)),
        ([[1, 2], [3, 4]], 0, (2, 0)),
        ([1], 0, (None, 0x8037_0000)),
        ([], 0, (None, 0x8037_0000)),
        (1.0, 0, (None, 0x8074_0000)),
        ([1], 0x808C_0000, (None, 0x808C_0000)),
        ([1, 2], 0x808C_0000, (2, 0x808C_0000)),
    ],
)
def test_an_element_and_its_status(
    content: object, status: int, picked: tuple[object, int]
) -> None:
    assert Pick(1, (), LAYOUTS)(content, status) == picked


def test_of_an_array_of_structures_first_the_element_is_taken() -> None:
    texts = [ua.LocalizedText("a"), ua.LocalizedText("b")]
    assert Pick(1, ("Text",), LAYOUTS)(texts, 0) == ("b", 0)
    assert Pick(None, ("Text",), LAYOUTS)(5, 0) == (None, 0x8074_0000)
