from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua.structures import leaf
from connectors.opcua.typedefs import read_layouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.opcua.services import Services

INT32, DOUBLE, STRING = "i=6", "i=11", "i=12"


class Types:
    """Stands for a server that has these definitions and supertypes."""

    def __init__(
        self, definitions: Mapping[str, object], above: Mapping[str, str]
    ) -> None:
        self._definitions = definitions
        self._above = above

    async def attributes(
        self, asked: Sequence[tuple[ua.NodeId, ua.AttributeIds]]
    ) -> list[ua.DataValue]:
        found = [self._definitions.get(node.to_string()) for node, _ in asked]
        bad = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadAttributeIdInvalid))
        return [
            ua.DataValue(StatusCode=bad)
            if each is None
            else ua.DataValue(ua.Variant(each, ua.VariantType.ExtensionObject))
            for each in found
        ]

    async def references(
        self, asked: Sequence[ua.BrowseDescription]
    ) -> list[list[ua.ReferenceDescription]]:
        above = [self._above.get(each.NodeId.to_string()) for each in asked]
        return [
            []
            if name is None
            else [ua.ReferenceDescription(NodeId=ua.NodeId.from_string(name))]
            for name in above
        ]


def structure(
    *fields: tuple[str, str], base: str = "i=22", encoding: str = "ns=1;i=90"
) -> ua.StructureDefinition:
    return ua.StructureDefinition(
        DefaultEncodingId=ua.NodeId.from_string(encoding),
        BaseDataType=ua.NodeId.from_string(base),
        Fields=[
            ua.StructureField(
                Name=name,
                DataType=ua.NodeId.from_string(kind),
                ValueRank=-1,
                IsOptional=False,
            )
            for name, kind in fields
        ],
    )


async def read(
    definitions: Mapping[str, object],
    above: Mapping[str, str],
    body: bytes,
    path: str,
) -> object:
    services: Services = Types(definitions, above)  # type: ignore[assignment] # all that is used of it
    layouts = await read_layouts(services, [ua.NodeId.from_string("ns=1;i=1")])
    layout = layouts.of_encoding("ns=1;i=90")
    assert layout is not None
    return leaf(body, layout, path.split("."), layouts)


async def test_enumerations_and_subtypes_are_what_they_are_built_of() -> None:
    own = structure(
        ("state", "ns=1;i=2"),
        ("mode", "i=29"),
        ("delay", "ns=1;i=3"),
        ("any", "i=24"),
        ("end", INT32),
    )
    definitions = {"ns=1;i=1": own, "ns=1;i=2": ua.EnumDefinition()}
    above = {"ns=1;i=3": "i=290", "i=290": DOUBLE}  # Duration is a Double
    body = struct.pack("<iid", 2, 3, 0.5) + b"\x06" + struct.pack("<ii", 4, 5)
    found = [
        await read(definitions, above, body, name)
        for name in ("state", "mode", "delay", "end")
    ]
    assert found == [2, 3, 0.5, 5]


async def test_inherited_fields_come_first_where_a_server_leaves_them_out() -> None:
    definitions = {
        "ns=1;i=1": structure(("own", INT32), base="ns=1;i=2"),
        "ns=1;i=2": structure(("base", DOUBLE), encoding="ns=1;i=91"),
    }
    body = struct.pack("<di", 1.5, 7)
    assert await read(definitions, {}, body, "base") == 1.5
    assert await read(definitions, {}, body, "own") == 7


async def test_a_field_of_an_unknown_type_is_a_structure_that_says_what_it_is() -> None:
    definitions = {"ns=1;i=1": structure(("odd", "ns=1;i=7"), ("end", INT32))}
    body = b"\x00\x05\x01" + struct.pack("<i2si", 2, b"xy", 9)
    assert await read(definitions, {}, body, "end") == 9


async def test_a_type_above_itself_ends() -> None:
    definitions = {"ns=1;i=1": structure(("odd", "ns=1;i=7"), ("end", INT32))}
    above = {"ns=1;i=7": "ns=1;i=8", "ns=1;i=8": "ns=1;i=7"}
    services: Services = Types(definitions, above)  # type: ignore[assignment] # all that is used of it
    layouts = await read_layouts(services, [ua.NodeId.from_string("ns=1;i=1")])
    assert set(layouts.by_type) == {"ns=1;i=1"}
