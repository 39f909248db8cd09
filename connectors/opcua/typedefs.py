"""Reads a server's definitions of structures, for the tags that are fields of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua.limits import standard_node
from connectors.opcua.structures import Layouts, layout_of
from connectors.opcua.values import status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.opcua.services import Services

_BUILT_IN = 25
_INT32 = 6
_ENUMERATION = 29
_EXTENSION_OBJECT = 22
_ABSTRACT = {24: 24, 26: 24, 27: 24, 28: 24}  # BaseDataType, Number…: a Variant
_DEEPEST = 20
_SUPERTYPE = standard_node("HasSubtype")


async def read_layouts(services: Services, types: Iterable[ua.NodeId]) -> Layouts:
    """Return the layouts of data types and of all they contain.

    A type without a definition is left out: its tags are bad, with a status.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    reading = _Reading(services)
    for kind in types:
        await reading.kind_of(kind, 0)
    return reading.layouts


class _Reading:
    def __init__(self, services: Services) -> None:
        self.layouts = Layouts()
        self._services = services
        self._kinds: dict[str, int | str] = {}

    async def kind_of(self, data_type: ua.NodeId, depth: int) -> int | str:
        """Return a built-in type's id, or the name of a structure, read if need be."""
        name = data_type.to_string()
        known = self._kinds.get(name)
        if known is not None:
            return known
        number = None if data_type.NamespaceIndex else data_type.Identifier
        if isinstance(number, int) and number in _ABSTRACT:
            return _ABSTRACT[number]
        if number == _ENUMERATION:
            return _INT32
        if isinstance(number, int) and 0 < number <= _BUILT_IN:
            return number
        if depth > _DEEPEST:
            return _EXTENSION_OBJECT
        self._kinds[name] = name  # a structure may contain itself, in an array
        kind = await self._defined(data_type, name, depth)
        self._kinds[name] = kind
        return kind

    async def _defined(self, data_type: ua.NodeId, name: str, depth: int) -> int | str:
        match await self._definition(data_type):
            case ua.StructureDefinition() as definition:
                await self._read_structure(definition, name, depth)
                return name
            case ua.EnumDefinition():
                return _INT32
            case _:
                above = await self._supertype(data_type)
                if above is None:
                    return _EXTENSION_OBJECT
                return await self.kind_of(above, depth + 1)

    async def _read_structure(
        self, definition: ua.StructureDefinition, name: str, depth: int
    ) -> None:
        definition.Fields = await self._with_inherited(definition)
        kinds = [
            await self.kind_of(each.DataType, depth + 1) for each in definition.Fields
        ]
        self.layouts.by_type[name] = layout_of(definition, kinds)
        self.layouts.type_of_encoding[definition.DefaultEncodingId.to_string()] = name

    async def _with_inherited(
        self, definition: ua.StructureDefinition
    ) -> list[ua.StructureField]:
        """Return all fields; some servers leave out those of the supertype."""
        fields = list(definition.Fields or ())
        base = definition.BaseDataType
        for _ in range(_DEEPEST):
            above = None if base is None or base.is_null() else base
            found = None if above is None else await self._definition(above)
            if not isinstance(found, ua.StructureDefinition):
                break
            names = {each.Name for each in fields}
            fields = [
                each for each in found.Fields or () if each.Name not in names
            ] + fields
            base = found.BaseDataType
        return fields

    async def _definition(self, data_type: ua.NodeId) -> object:
        asked = [(data_type, ua.AttributeIds.DataTypeDefinition)]
        (answer,) = await self._services.attributes(asked)
        if answer.Value is None or status_of(answer) >> 31:
            return None
        return answer.Value.Value

    async def _supertype(self, data_type: ua.NodeId) -> ua.NodeId | None:
        asked = ua.BrowseDescription(
            NodeId=data_type,
            BrowseDirection=ua.BrowseDirection.Inverse,
            ReferenceTypeId=_SUPERTYPE,
        )
        (found,) = await self._services.references([asked])
        return _first(found)


def _first(references: Sequence[ua.ReferenceDescription]) -> ua.NodeId | None:
    return references[0].NodeId if references else None
