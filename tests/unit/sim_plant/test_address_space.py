"""The OPC UA nodes, built into a server that never listens."""

from __future__ import annotations

import pytest
import pytest_asyncio
from asyncua import Server, ua

from sim_plant.memory import PlcMemory
from sim_plant.servers.address_space import AddressSpace, native
from sim_plant.servers.history import BoundedHistory, utc_datetime
from sim_plant.tags import TRANSMITTERS
from tests.support.opcua_standard import standard_address_space_built_once

NOW_NS = 1_700_000_000_000_000_000


@pytest_asyncio.fixture
async def space() -> AddressSpace:
    server = Server()
    with standard_address_space_built_once():
        await server.init()
    built = AddressSpace(
        server,
        namespace=await server.register_namespace("urn:test"),
        history=BoundedHistory(),
        memory=PlcMemory(),
        now=lambda: utc_datetime(NOW_NS),
    )
    await built.build()
    return built


def _node_id(space: AddressSpace, tag: str) -> ua.NodeId:
    return ua.NodeId(ua.String(tag), ua.Int16(space.namespace))


async def test_every_transmitter_is_an_analogue_item_with_range_and_unit(
    space: AddressSpace,
) -> None:
    for transmitter in TRANSMITTERS:
        node = space.server.get_node(_node_id(space, transmitter.tag))
        kind = await node.read_type_definition()
        assert kind == ua.NodeId(ua.Int32(ua.ObjectIds.AnalogItemType))
        assert await node.read_data_type_as_variant_type() == ua.VariantType.Float
        span = await (await node.get_child("0:EURange")).read_value()
        assert (span.Low, span.High) == (transmitter.range_low, transmitter.range_high)
        unit = await (await node.get_child("0:EngineeringUnits")).read_value()
        assert unit.DisplayName.Text == transmitter.unit.symbol


async def test_a_unit_has_its_unece_number(space: AddressSpace) -> None:
    node = space.server.get_node(_node_id(space, "P-101/DE/vibration_rms"))
    unit = await (await node.get_child("0:EngineeringUnits")).read_value()
    # "C16", millimetre per second: 4403510 in the OPC Foundation's table.
    assert unit.UnitId == 4_403_510


async def test_the_waveform_is_a_float_array_with_its_rate(space: AddressSpace) -> None:
    node = space.server.get_node(_node_id(space, "P-101/DE/acceleration"))
    assert len(await node.read_value()) == 4_096
    assert await node.read_array_dimensions() == [4_096]
    names = {(await p.read_browse_name()).Name for p in await node.get_properties()}
    assert names == {"EURange", "EngineeringUnits", "SampleRate", "StartTime"}


async def test_a_written_point_is_in_the_memory_at_once(space: AddressSpace) -> None:
    node = space.server.get_node(_node_id(space, "PLC-1/heartbeat"))
    await node.write_value(ua.Variant(77, ua.VariantType.UInt16))
    assert space.memory.heartbeat == 77
    written = await node.read_data_value()
    assert written.Value == ua.Variant(77, ua.VariantType.UInt16)
    assert written.SourceTimestamp == utc_datetime(NOW_NS)


async def test_what_the_plc_refuses_stays_as_it_was(space: AddressSpace) -> None:
    node = space.server.get_node(_node_id(space, "PLC-1/watchdog_ms"))
    with pytest.raises(ua.uaerrors.BadOutOfRange):
        await node.write_value(ua.Variant(10, ua.VariantType.UInt16))
    assert space.memory.watchdog_ms == 1_000


@pytest.mark.parametrize(
    "written",
    [
        ua.DataValue(ua.Variant([True], ua.VariantType.Boolean)),
        ua.DataValue(
            ua.Variant(True, ua.VariantType.Boolean),
            ua.StatusCode(ua.UInt32(ua.StatusCodes.Bad)),
        ),
    ],
    ids=["array", "bad"],
)
async def test_what_is_no_single_good_value_is_refused(
    space: AddressSpace, written: ua.DataValue
) -> None:
    node_id = _node_id(space, "PLC-1/start")
    with pytest.raises(ua.uaerrors.BadTypeMismatch):
        await space.server.write_attribute_value(node_id, written)
    assert not space.memory.start


@pytest.mark.parametrize(
    ("variant", "held"),
    [
        (ua.VariantType.Boolean, True),
        (ua.VariantType.UInt16, 1),
        (ua.VariantType.UInt32, 1),
        (ua.VariantType.Float, 1.0),
        (ua.VariantType.Double, 1.0),
    ],
)
def test_a_number_takes_its_nodes_type(variant: ua.VariantType, held: float) -> None:
    assert native(1.0, variant) == held
    assert type(native(1.0, variant)) is type(held)
