"""The plant's nodes: one object per asset, typed variables with units and ranges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from asyncua import ua

from sim_plant import tags
from sim_plant.memory import COILS, HOLDING_REGISTERS, OutOfRangeError
from sim_plant.tags import TRANSMITTERS, EngineeringUnit
from sim_plant.vibration import BURST_POINTS, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncua import Server
    from asyncua.common.node import Node
    from asyncua.server.address_space import AttributeValue, NodeData

    from sim_plant.memory import PlcMemory
    from sim_plant.servers.history import BoundedHistory

ACCELERATION_RANGE = (-500.0, 500.0)
_UNECE_URI = "http://www.opcfoundation.org/UA/units/un/cefact"
_ASSETS = ("P-101", "T-101", "V-101", "PLC-1")
_PLC_READ_ONLY = (
    "run_permit",
    "watchdog_tripped",
    "disarmed",
    "maintenance_granted",
    "flush_valve_open",
)
_BOOLEAN, _FLOAT = ua.VariantType.Boolean, ua.VariantType.Float


@dataclass(slots=True)
class Point:
    """One scalar node: where its value lives, and what it last showed."""

    node_id: ua.NodeId
    variant: ua.VariantType
    attribute: AttributeValue
    historized: bool
    shown: tuple[float, int] | None = None


@dataclass(slots=True)
class Waveform:
    """The burst's node and its StartTime property."""

    burst: AttributeValue
    start_time: AttributeValue


@dataclass(slots=True)
class AddressSpace:
    """Builds the nodes into a server that is not yet started."""

    server: Server
    namespace: int
    history: BoundedHistory
    memory: PlcMemory
    now: Callable[[], ua.DateTime]
    points: dict[str, Point] = field(default_factory=dict)

    async def build(self) -> Waveform:
        """Create every node; scalars are then in `points` by tag."""
        objects = self.server.nodes.objects
        assets = {
            name: await objects.add_object(self._id(name), self._name(name))
            for name in _ASSETS
        }
        for transmitter in TRANSMITTERS:
            parent = assets[transmitter.tag.partition("/")[0]]
            node = await self._scalar(parent, transmitter.tag, _FLOAT)
            span = (transmitter.range_low, transmitter.range_high)
            await self._analogue(node, transmitter.unit, span)
        pump, controller = assets["P-101"], assets["PLC-1"]
        hours = await self._scalar(pump, tags.HOURS_RUN, ua.VariantType.Double)
        await self._analogue(hours, tags.HOUR, (0.0, 1e6))
        running = await self._scalar(pump, tags.RUNNING, _BOOLEAN)
        await self._two_states(running, "stopped", "running")
        await self._build_plc(controller)
        return await self._waveform(pump)

    async def _build_plc(self, controller: Node) -> None:
        scans = await self._scalar(controller, tags.SCAN_COUNT, ua.VariantType.UInt32)
        await self._analogue(scans, tags.ONE, (0.0, 65_535.0))
        for name in _PLC_READ_ONLY:
            await self._scalar(controller, f"PLC-1/{name}", _BOOLEAN)
        for name in COILS:
            await self._writable(controller, name, _BOOLEAN)
        for name in HOLDING_REGISTERS:
            await self._writable(controller, name, ua.VariantType.UInt16)

    async def _scalar(
        self, parent: Node, tag: str, variant: ua.VariantType, *, history: bool = True
    ) -> Node:
        name = self._name(tag.partition("/")[2])
        empty = native(0.0, variant)
        node = await parent.add_variable(self._id(tag), name, empty, variant)
        attribute = self._attribute(node)
        self.points[tag] = Point(node.nodeid, variant, attribute, history)
        if history:
            await self._historize(node, variant)
        return node

    async def _historize(self, node: Node, variant: ua.VariantType) -> None:
        """Offer HistoryRead; the publisher records, so no subscription is made."""
        self.history.add(node.nodeid, variant)
        yes = ua.DataValue(ua.Variant(True, _BOOLEAN))  # noqa: FBT003 - the library's
        await node.write_attribute(ua.AttributeIds.Historizing, yes)
        for access in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            await node.set_attr_bit(access, ua.AccessLevel.HistoryRead)

    async def _analogue(
        self, node: Node, unit: EngineeringUnit, span: tuple[float, float]
    ) -> None:
        """Make a variable an AnalogItemType: range and engineering units (Part 8)."""
        type_of = ua.ObjectIds.HasTypeDefinition
        await node.delete_reference(ua.ObjectIds.BaseDataVariableType, type_of)
        await node.add_reference(
            ua.ObjectIds.AnalogItemType, type_of, bidirectional=False
        )
        key = str(node.nodeid.Identifier)
        await node.add_property(
            self._id(key + ".EURange"),
            ua.QualifiedName("EURange", 0),
            ua.Range(Low=ua.Double(span[0]), High=ua.Double(span[1])),
        )
        await node.add_property(
            self._id(key + ".EngineeringUnits"),
            ua.QualifiedName("EngineeringUnits", 0),
            _unit(unit),
        )

    async def _two_states(self, node: Node, no: str, yes: str) -> None:
        """Make a variable a TwoStateDiscreteType: a word for either value (Part 8)."""
        type_of = ua.ObjectIds.HasTypeDefinition
        await node.delete_reference(ua.ObjectIds.BaseDataVariableType, type_of)
        await node.add_reference(
            ua.ObjectIds.TwoStateDiscreteType, type_of, bidirectional=False
        )
        key = str(node.nodeid.Identifier)
        for name, word in (("FalseState", no), ("TrueState", yes)):
            await node.add_property(
                self._id(f"{key}.{name}"),
                ua.QualifiedName(name, 0),
                ua.LocalizedText(word),
            )

    async def _waveform(self, pump: Node) -> Waveform:
        tag = tags.ACCELERATION
        silence = [0.0] * BURST_POINTS
        name = self._name(tag.partition("/")[2])
        node = await pump.add_variable(self._id(tag), name, silence, _FLOAT)
        await node.write_value_rank(ua.ValueRank.OneDimension)
        dimensions = ua.Variant([BURST_POINTS], ua.VariantType.UInt32)
        await node.write_attribute(
            ua.AttributeIds.ArrayDimensions, ua.DataValue(dimensions)
        )
        await self._analogue(node, tags.M_S2, ACCELERATION_RANGE)
        await node.add_property(
            self._id(tag + ".SampleRate"), self._name("SampleRate"), SAMPLE_RATE_HZ
        )
        started = await node.add_property(
            self._id(tag + ".StartTime"),
            self._name("StartTime"),
            self.now(),
            ua.VariantType.DateTime,
        )
        return Waveform(self._attribute(node), self._attribute(started))

    async def _writable(
        self, controller: Node, name: str, variant: ua.VariantType
    ) -> None:
        """A point that clients may write: it goes into the PLC's memory at once."""
        tag = f"PLC-1/{name}"
        node = await self._scalar(controller, tag, variant, history=False)
        await node.set_writable()
        point = self.points[tag]

        def accept(
            _node: NodeData, _attribute: ua.AttributeIds, written: ua.DataValue
        ) -> None:
            value = None if written.Value is None else written.Value.Value
            if not isinstance(value, int):  # a bool is one; an array or a null is not
                raise ua.uaerrors.BadTypeMismatch
            try:
                self.memory.write(name, value)
            except OutOfRangeError as error:
                raise ua.uaerrors.BadOutOfRange from error
            now = self.now()
            point.attribute.value = replace(
                written, SourceTimestamp=now, ServerTimestamp=now
            )
            point.shown = (value, ua.StatusCodes.Good)

        self.server.set_attribute_value_setter(node.nodeid, accept)

    def _id(self, key: str) -> ua.NodeId:
        return ua.NodeId(ua.String(key), ua.Int16(self.namespace))

    def _name(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self.namespace)

    def value_of(self, standard_node: int) -> AttributeValue:
        """Where a node of the standard address space keeps its value."""
        return self._attribute(self.server.get_node(ua.NodeId(ua.Int32(standard_node))))

    def _attribute(self, node: Node) -> AttributeValue:
        data: NodeData = self.server.iserver.aspace[node.nodeid]
        return data.attributes[ua.AttributeIds.Value]


def native(value: float, variant: ua.VariantType) -> float:
    """A number (bool and int are numbers too) as the node's type holds it."""
    match variant:
        case ua.VariantType.Boolean:
            return bool(value)
        case ua.VariantType.UInt16 | ua.VariantType.UInt32:
            return int(value)
        case _:
            return float(value)


def _unit(unit: EngineeringUnit) -> ua.EUInformation:
    """UNECE code as a number: its characters as bytes, first one highest (Part 8)."""
    return ua.EUInformation(
        NamespaceUri=ua.String(_UNECE_URI),
        UnitId=ua.Int32(int.from_bytes(unit.unece.encode(), "big")),
        DisplayName=ua.LocalizedText(unit.symbol),
        Description=ua.LocalizedText(unit.description),
    )
