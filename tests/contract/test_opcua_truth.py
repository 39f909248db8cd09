"""Types, identity and time: what a value is, on a real server."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_enum

from appliance.domain.sample import Quality
from appliance.domain.tag import parse_tag_id
from connectors.opcua.reader import OpcuaReader
from tests.contract.opcua_plant import URI, plant, tag

if TYPE_CHECKING:
    from appliance.domain.ports import Clock
from tests.contract.opcua_plant import Opened, Plant

WITHIN_S = 60
V = ua.VariantType
DAY = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
BODY = struct.pack("<i", 7) + struct.pack("<ddB", 1.5, -2.5, 1)
BODY += struct.pack("<i", 4) + b"left" + struct.pack("<iHH", 2, 11, 12)


async def structure(server: Plant, name: str, fields: list[ua.StructureField]) -> Any:  # noqa: ANN401 - a data type and its encoding
    """Add the definition of a structure, without teaching asyncua a class for it."""
    base = server.server.get_node(ua.NodeId.from_string("i=22"))
    kind = await base.add_data_type(
        ua.NodeId.from_string(f"ns={server.index};s=type.{name}"), name
    )
    encoding = ua.NodeId.from_string(f"ns={server.index};s=encoding.{name}")
    definition = ua.StructureDefinition(
        DefaultEncodingId=encoding, BaseDataType=base.nodeid, Fields=fields
    )
    await kind.write_attribute(
        ua.AttributeIds.DataTypeDefinition,
        ua.DataValue(ua.Variant(definition, V.ExtensionObject)),
    )
    return kind.nodeid, encoding


def field(name: str, kind: ua.NodeId | str, rank: int = -1) -> ua.StructureField:
    data_type = ua.NodeId.from_string(kind) if isinstance(kind, str) else kind
    return ua.StructureField(
        Name=name, DataType=data_type, ValueRank=rank, IsOptional=False
    )


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_every_type_comes_through_exactly(clock: Clock, mode: str) -> None:
    given: dict[str, tuple[object, ua.VariantType, object]] = {
        "boolean": (True, V.Boolean, 1.0),
        "sbyte": (-128, V.SByte, -128.0),
        "byte": (255, V.Byte, 255.0),
        "int16": (-32768, V.Int16, -32768.0),
        "uint16": (65535, V.UInt16, 65535.0),
        "int32": (-(2**31), V.Int32, float(-(2**31))),
        "uint32": (2**32 - 1, V.UInt32, float(2**32 - 1)),
        "int64": (-(2**63), V.Int64, -(2**63)),
        "small64": (2**53, V.Int64, float(2**53)),
        "uint64": (2**64 - 1, V.UInt64, 2**64 - 1),
        "float": (0.1, V.Float, struct.unpack("<f", struct.pack("<f", 0.1))[0]),
        "double": (0.1, V.Double, 0.1),
        "string": ("Pumpe \u00b0", V.String, "Pumpe \u00b0"),
        "text": (ua.LocalizedText("auf", "de"), V.LocalizedText, "auf"),
        "date": (DAY, V.DateTime, "2026-03-01T12:00:00.000250Z"),
        "guid": (UUID(int=7), V.Guid, "00000000-0000-0000-0000-000000000007"),
        "bytes": (b"\x00\xff", V.ByteString, "00ff"),
    }
    async with plant() as server:
        for name, (content, kind, _) in given.items():
            await server.add(name, content, varianttype=kind)
        enum = await new_enum(server.server, server.index, "State", ["Off", "On"])
        await server.add("state", 1, varianttype=V.Int32, datatype=enum.nodeid)
        tags = [tag(name) for name in (*given, "state")]
        opened = server.source(clock, tags, mode=mode)
        await opened.until(lambda seen: len(seen.status) == len(tags))
    assert opened.live == {each["id"] for each in tags}
    expected = {f"P-101/{name}": after for name, (_, _, after) in given.items()}
    assert opened.value == expected | {"P-101/state": 1.0}


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_one_element_of_an_array_is_a_tag(clock: Clock, mode: str) -> None:
    async with plant() as server:
        await server.add("row", [1.5, 2.5, 3.5])
        table = ua.Variant(
            [[1, 2], [3, 4]], V.Int32, Dimensions=[ua.Int32(2), ua.Int32(2)]
        )
        await server.add("table", table)
        await server.add("scalar", 1.0)
        row = {"node": f"nsu={URI};s=row"}
        tags = [
            tag("second", element=1) | row,
            tag("ninth", element=9) | row,
            tag("table", element=2),
            tag("scalar", element=0),
        ]
        opened = server.source(clock, tags, mode=mode)
        await opened.until(lambda seen: len(seen.status) == 4)
    assert opened.value["P-101/second"] == 2.5
    assert opened.value["P-101/table"] == 3.0
    assert opened.status["P-101/ninth"] == ua.StatusCodes.BadIndexRangeNoData
    assert opened.status["P-101/scalar"] == ua.StatusCodes.BadTypeMismatch


async def add_drive(server: Plant) -> None:
    """Add a structure within a structure, with a text and an array in it."""
    inner, _ = await structure(
        server, "Axis", [field("x", "i=11"), field("y", "i=11"), field("ok", "i=1")]
    )
    outer, encoding = await structure(
        server,
        "Drive",
        [
            field("count", "i=6"),
            field("axis", inner),
            field("name", "i=12"),
            field("steps", "i=5", rank=1),
        ],
    )
    drive = ua.Variant(
        ua.ExtensionObject(encoding, ua.ByteString(BODY)), V.ExtensionObject
    )
    await server.add("drive", drive, datatype=outer)


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_fields_of_structures_are_read_by_the_servers_definition(
    clock: Clock, mode: str
) -> None:
    async with plant() as server:
        await add_drive(server)
        strange = ua.ExtensionObject(
            ua.NodeId.from_string("ns=1;i=99"), ua.ByteString(BODY)
        )
        await server.add(
            "strange",
            ua.Variant(strange, V.ExtensionObject),
            datatype=ua.NodeId.from_string("i=22"),
        )
        wanted: dict[str, object] = {
            "count": 7.0,
            "axis.x": 1.5,
            "axis.y": -2.5,
            "axis.ok": 1.0,
            "name": "left",
        }
        node = {"node": f"nsu={URI};s=drive"}
        tags = [tag(name, field=name) | node for name in wanted]
        tags.append(tag("step", field="steps", element=1) | node)
        tags.append(tag("absent", field="axis.z") | node)
        tags.append(tag("strange", field="x"))
        tags.append(tag("whole") | node)
        opened = server.source(clock, tags, mode=mode)
        await opened.until(lambda seen: len(seen.status) == len(tags))
    assert {name: opened.value[f"P-101/{name}"] for name in wanted} == wanted
    assert opened.value["P-101/step"] == 12.0
    assert opened.status["P-101/absent"] == ua.StatusCodes.BadNoMatch
    assert opened.status["P-101/strange"] == ua.StatusCodes.BadDataTypeIdUnknown
    assert opened.status["P-101/whole"] == ua.StatusCodes.BadTypeMismatch


async def test_safety_reads_elements_and_fields_as_the_source_does(
    clock: Clock,
) -> None:
    async with plant() as server:
        await add_drive(server)
        await server.add("row", [1.5, 2.5, 3.5])
        drive, row = {"node": f"nsu={URI};s=drive"}, {"node": f"nsu={URI};s=row"}
        tags = [
            tag("second", element=1) | row,
            tag("ninth", element=9) | row,
            tag("axis.y", field="axis.y") | drive,
            tag("step", field="steps", element=1) | drive,
            tag("name", field="name") | drive,
            tag("absent", field="axis.z") | drive,
            tag("gone", field="x"),
        ]
        reader = OpcuaReader(server.settings(tags), clock)
        async with reader.open():
            samples = await reader.read(WITHIN_S)
    found = {str(each.tag).removeprefix("P-101/"): each for each in samples}
    good = {name: each.value for name, each in found.items() if not each.status}
    assert good == {"second": 2.5, "axis.y": -2.5, "step": 12.0}
    assert {name: found[name].status for name in ("ninth", "name", "absent")} == {
        "ninth": ua.StatusCodes.BadIndexRangeNoData,
        "name": ua.StatusCodes.BadTypeMismatch,
        "absent": ua.StatusCodes.BadNoMatch,
    }
    assert found["gone"].quality is Quality.BAD


async def units(server: Plant, name: str, unit: str, content: object) -> None:
    node = await server.add(name, content)
    words = ua.EUInformation(DisplayName=ua.LocalizedText(unit))
    await node.add_property(
        ua.NodeId.from_string(f"ns={server.index};s={name}.unit"),
        "0:EngineeringUnits",
        words,
    )


async def seen_once(opened: Opened, tags: int) -> None:
    opened.status.clear()
    await opened.until(lambda seen: len(seen.status) == tags)


async def test_reordered_namespaces_lead_to_the_same_nodes(clock: Clock) -> None:
    async with plant("urn:first", "urn:second") as server:
        await server.add("flow", 1.0)
        port, index = server.port, server.index
        opened = server.source(clock, [tag("flow")])
        await seen_once(opened, 1)
    async with plant(port=port) as server:
        assert server.index != index
        for row in range(3):
            await server.server.register_namespace(f"urn:later{row}")
        await server.add("flow", 2.0)
        await server.server.nodes.objects.add_variable(
            ua.NodeId.from_string(f"ns={index};s=flow"), "wrong", 99.0
        )
        await seen_once(opened, 1)
    assert opened.value["P-101/flow"] == 2.0


async def test_a_changed_type_or_unit_is_refused_and_named(clock: Clock) -> None:
    async with plant() as server:
        await units(server, "pressure", "bar", 1.0)
        await server.add("count", 1, varianttype=V.Int32)
        await server.add("flow", 3.0)
        port = server.port
        tags = [tag("pressure"), tag("count"), tag("flow")]
        opened = server.source(clock, tags)
        await seen_once(opened, 3)
        assert [each.key for each in opened.source.diagnostics] == []
    async with plant(port=port) as server:
        await units(server, "pressure", "psi", 14.5)
        await server.add("count", 1.0, varianttype=V.Double)
        await server.add("flow", 4.0)
        await seen_once(opened, 3)
    assert opened.live == {"P-101/flow"}
    assert opened.status["P-101/pressure"] == ua.StatusCodes.BadConfigurationError
    assert opened.status["P-101/count"] == ua.StatusCodes.BadTypeMismatch
    drifts = {
        each.tags: each for each in opened.source.diagnostics if "drift" in each.key
    }
    said = drifts[parse_tag_id("P-101/pressure"),]
    assert said.priority == "high"
    assert "was bar and is psi" in said.message
    assert "was Int32 and is Double" in drifts[parse_tag_id("P-101/count"),].message


async def test_a_unit_that_is_not_the_configured_one_is_refused_until_it_is(
    clock: Clock,
) -> None:
    async with plant() as server:
        await units(server, "pressure", "psi", 14.5)
        await units(server, "heat", "\u00b0C", 60.0)
        tags = [
            tag("pressure", engineering_units="bar", type="Double"),
            tag("heat", engineering_units="degC", type="Double"),
            tag("typed", type="Int16") | {"node": f"nsu={URI};s=heat"},
        ]
        opened = server.source(clock, tags)
        await seen_once(opened, 3)
        assert opened.live == {"P-101/heat"}
        tags[0]["server_units"] = "psi"
        accepted = server.source(clock, tags)
        await seen_once(accepted, 3)
        assert accepted.live == {"P-101/heat", "P-101/pressure"}


async def test_a_unit_that_changes_while_connected_is_noticed(clock: Clock) -> None:
    async with plant() as server:
        await units(server, "pressure", "bar", 1.0)
        opened = server.source(clock, [tag("pressure")], retry_s=60.0)
        async with opened.source.open(opened.numbers) as batches:
            await opened.take_until(batches, lambda seen: bool(seen.live))
            place = f"ns={server.index};s=pressure"
            property_node = server.server.get_node(
                ua.NodeId.from_string(place + ".unit")
            )
            words = ua.EUInformation(DisplayName=ua.LocalizedText("psi"))
            await property_node.write_value(words)
            changed = ua.StatusCode(ua.UInt32(0x0000_4000))
            node = server.server.get_node(ua.NodeId.from_string(place))
            await node.write_value(ua.DataValue(ua.Variant(14.5), changed))
            await opened.take_until(
                batches,
                lambda seen: (
                    seen.status["P-101/pressure"]
                    == ua.StatusCodes.BadConfigurationError
                ),
            )


@pytest.mark.parametrize("policy", ["keep", "replace"])
@pytest.mark.parametrize("off", [timedelta(hours=1, seconds=30), timedelta(days=-9500)])
async def test_a_controllers_clock_that_is_wrong_is_said_and_by_choice_replaced(
    clock: Clock, policy: str, off: timedelta
) -> None:
    wrong = datetime.now(UTC) + off
    async with plant() as server:
        node = await server.add("flow", 1.0)
        await server.add("other", 1.0)
        await node.write_value(
            ua.DataValue(ua.Variant(2.0), SourceTimestamp=_stamp(wrong))
        )
        tags = [tag("flow"), tag("other")]
        opened = server.source(clock, tags, clock=policy)
        await opened.until(lambda seen: len(seen.status) == 2)
        (said,) = opened.source.diagnostics
    assert (said.key, said.tags) == ("clock", ("P-101/flow",))
    assert ("1 h 0 min ahead" if off.days == 0 else "26 years behind") in said.message
    number = opened.numbers[parse_tag_id("P-101/flow")]
    (batch,) = (each for each in opened.batches if number in each.tag)
    (row,) = (each for each, tag_number in enumerate(batch.tag) if tag_number == number)
    late_ns = batch.receive_time_ns - int(batch.source_time_ns[row])
    if policy == "replace":
        assert batch.quality[row] == Quality.GOOD
        assert 0 <= late_ns < 60 * 10**9
    else:
        assert batch.quality[row] == Quality.UNCERTAIN
        assert batch.status[row] == ua.StatusCodes.Uncertain
        assert abs(late_ns) > 3000 * 10**9


def _stamp(moment: datetime) -> ua.DateTime:
    return ua.DateTime(*moment.timetuple()[:6], moment.microsecond, tzinfo=None)
