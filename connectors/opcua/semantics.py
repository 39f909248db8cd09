"""What a server says its nodes are: type, unit, range, sample rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua import enumerations
from connectors.opcua.identity import Nature
from connectors.opcua.limits import standard_node
from connectors.opcua.values import plain, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.opcua.enumerations import States
    from connectors.opcua.services import Services

_ASKED = (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank)
_PROPERTIES = ("EngineeringUnits", "EURange", "SampleRate", *enumerations.PROPERTIES)
_NAMESPACE_ARRAY = standard_node("Server_NamespaceArray")
_CODE_BYTES = 3
_NOT_THERE = frozenset(
    {ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid}
)


@dataclass(frozen=True, slots=True)
class Semantics:
    """What is known of a node; `data_type` is the node id behind `nature`'s name.

    `states` are the words for its values, if they are an enumeration's.
    `missing` is the status by which the server does not know the node.
    """

    nature: Nature = field(default_factory=Nature)
    data_type: ua.NodeId | None = None
    sample_rate_hz: float | None = None
    missing: int | None = None
    states: States = ()


async def read_namespaces(services: Services) -> Sequence[str]:
    """Return the server's namespaces as it numbers them now.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    (array,) = await services.values([_NAMESPACE_ARRAY])
    content = _content(array)
    return [str(uri) for uri in content] if isinstance(content, list) else []


async def read_semantics(
    services: Services, nodes: Sequence[ua.NodeId], uris: Sequence[str]
) -> list[Semantics]:
    """Ask for the semantics of nodes; a node that is not there has none.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    if not nodes:
        return []
    asked = [(node, attribute) for node in nodes for attribute in _ASKED]
    attributes = await services.attributes(asked)
    answers = [_content(each) for each in attributes]
    types, ranks = answers[::2], answers[1::2]
    there = [row for row, kind in enumerate(types) if isinstance(kind, ua.NodeId)]
    properties = await _properties(services, [nodes[row] for row in there])
    found = [
        Semantics(missing=status if status in _NOT_THERE else None)
        for status in map(status_of, attributes[::2])
    ]
    kinds = [kind for kind in types if isinstance(kind, ua.NodeId)]
    by_type = await enumerations.read_type_states(services, kinds)
    for row, kind, own in zip(there, kinds, properties, strict=True):
        known = _semantics(kind, ranks[row], own, uris)
        states = enumerations.states_of(own) or by_type.get(kind.to_string(), ())
        found[row] = replace(known, states=states)
    return found


async def _properties(
    services: Services, nodes: Sequence[ua.NodeId]
) -> list[Mapping[str, object]]:
    """Return the values of the properties we want to know, node by node."""
    known = await services.properties(nodes)
    wanted = [
        (row, name, own[name])
        for row, own in enumerate(known)
        for name in _PROPERTIES
        if name in own
    ]
    values = await services.values([node for _, _, node in wanted])
    found: list[dict[str, object]] = [{} for _ in nodes]
    for (row, name, _), value in zip(wanted, values, strict=True):
        found[row][name] = _content(value)
    return list(found)


def _semantics(
    kind: ua.NodeId, rank: object, own: Mapping[str, object], uris: Sequence[str]
) -> Semantics:
    rate_hz = plain(own.get("SampleRate"))
    usable = isinstance(rate_hz, float) and 0 < rate_hz < math.inf
    nature = Nature(
        data_type=type_name(kind, uris),
        value_rank=rank if isinstance(rank, int) else None,
        units=_units(own.get("EngineeringUnits")),
        eu_range=_range(own.get("EURange")),
    )
    return Semantics(nature, kind, rate_hz if usable else None)  # type: ignore[arg-type] # usable says it


def type_name(kind: ua.NodeId, uris: Sequence[str]) -> str:
    """Return the name of a data type of the standard, or `nsu=URI;i=3002`."""
    index = kind.NamespaceIndex
    if not index:
        number = int(kind.Identifier) if isinstance(kind.Identifier, int) else 0
        name: str = ua.ObjectIdNames.get(number, kind.to_string())
        return name
    uri = uris[index] if index < len(uris) else f"?{index}"
    identifier = kind.to_string().partition(";")[2]
    return f"nsu={uri};{identifier}"


def unece_code(unit_id: int) -> str:
    """Return the UNECE code in an EUInformation's UnitId (Part 8, 5.6.4.3), or "".

    >>> unece_code(4408652)
    'CEL'
    """
    if not 0 < unit_id < 1 << 8 * _CODE_BYTES:
        return ""
    code = unit_id.to_bytes(_CODE_BYTES, "big").lstrip(b"\0")
    return code.decode("ascii") if code.isalnum() and code.isascii() else ""


def _units(content: object) -> str:
    if not isinstance(content, ua.EUInformation):
        return ""
    text = content.DisplayName.Text if content.DisplayName is not None else None
    return text.strip() if text else unece_code(content.UnitId)


def _range(content: object) -> tuple[float, float] | None:
    if not isinstance(content, ua.Range):
        return None
    low, high = float(content.Low), float(content.High)
    return (low, high) if -math.inf < low < high < math.inf else None


def _content(value: ua.DataValue) -> object:
    if value.Value is None or status_of(value) >> 31:
        return None
    content: object = value.Value.Value
    return content
