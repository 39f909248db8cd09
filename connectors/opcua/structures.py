"""Structures, read by the definitions that this server gives. Pure.

asyncua can make classes of a server's definitions, but it keeps them for the whole
process under namespace indices: of two servers (or of one that has numbered its
namespaces anew) one would be read by the other's definition. So layouts live here, for
one connection, and only the field that a tag asks for is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import unpack_uatype, unpack_uatype_array

from connectors.opcua.wirescan import EXTENSION_OBJECT, MalformedMessageError, Scan

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNION_KINDS = frozenset({2, 4})
_WITH_OPTIONAL_FIELDS = 1
_NESTING = 20


class MalformedStructureError(ValueError):
    """The bytes are not what the definition says."""


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """A field: a built-in type by its id (Part 6, 5.1.2), or another structure.

    `optional` is the bit of the mask that says whether it is there.
    """

    name: str
    built_in: int
    structure: str | None = None
    is_array: bool = False
    optional: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a structure, in their order on the wire."""

    fields: tuple[FieldLayout, ...]
    has_mask: bool = False
    is_union: bool = False


@dataclass(slots=True)
class Layouts:
    """What is known of one server's structures: by data type, and its encodings."""

    by_type: dict[str, Layout] = field(default_factory=dict)
    type_of_encoding: dict[str, str] = field(default_factory=dict)

    def of_encoding(self, encoding: str) -> Layout | None:
        """Return the layout of the structures that come under this type id."""
        return self.by_type.get(self.type_of_encoding.get(encoding, ""))

    def of_type(self, data_type: str) -> Layout:
        """Return the layout of a data type.

        Raises:
            MalformedStructureError: It is not known.
        """
        found = self.by_type.get(data_type)
        if found is None:
            raise MalformedStructureError(f"{data_type} has no definition")
        return found


def layout_of(definition: ua.StructureDefinition, kinds: Sequence[int | str]) -> Layout:
    """Return the layout of a definition; `kinds` are its fields' types.

    A kind is a built-in type's id, or the data type of another structure.
    """
    shape = int(definition.StructureType)
    fields: list[FieldLayout] = []
    bit = 0
    for each, kind in zip(definition.Fields, kinds, strict=True):
        optional = None
        if shape == _WITH_OPTIONAL_FIELDS and each.IsOptional:
            optional, bit = bit, bit + 1
        built_in, inner = (kind, None) if isinstance(kind, int) else (0, kind)
        fields.append(
            FieldLayout(
                str(each.Name),
                built_in,
                inner,
                is_array=each.ValueRank >= 0,
                optional=optional,
            )
        )
    return Layout(tuple(fields), shape == _WITH_OPTIONAL_FIELDS, shape in _UNION_KINDS)


def leaf(body: bytes, layout: Layout, path: Sequence[str], layouts: Layouts) -> object:
    """Return the value of the field at `path`; None if an optional one is not there.

    Raises:
        LookupError: No such field.
        MalformedStructureError: The bytes are not what the definition says.
    """
    scan = Scan(body)
    try:
        for depth, name in enumerate(path):
            found = _seek(scan, layout, name, layouts)
            if found is None:
                return None
            if depth + 1 == len(path):
                return _value(scan, found, layouts)
            if found.is_array or found.structure is None:
                raise LookupError(f"{name} is no structure")
            layout = layouts.of_type(found.structure)
    except MalformedMessageError as error:
        raise MalformedStructureError(str(error)) from error
    raise LookupError("no field is named")


def _seek(
    scan: Scan, layout: Layout, name: str, layouts: Layouts
) -> FieldLayout | None:
    """Move to a field; return it, or None if it is not there this time."""
    if name not in {each.name for each in layout.fields}:
        raise LookupError(f"no field {name}")
    for each in _present(scan, layout):
        if each.name == name:
            return each
        _skip(scan, each, layouts, 0)
    return None


def _present(scan: Scan, layout: Layout) -> Sequence[FieldLayout]:
    """Return the fields that are there, having read the mask or switch before them."""
    if layout.is_union:
        chosen = scan.u32()
        return layout.fields[chosen - 1 : chosen] if chosen else ()
    mask = scan.u32() if layout.has_mask else 0
    return [
        each
        for each in layout.fields
        if each.optional is None or mask >> each.optional & 1
    ]


def _skip(scan: Scan, each: FieldLayout, layouts: Layouts, depth: int) -> None:
    if depth > _NESTING:
        raise MalformedStructureError("nested too deep")
    count = scan.length(1) if each.is_array else 1
    for _ in range(count):
        if each.structure is None:
            scan.skip_value(each.built_in)
            continue
        for inner in _present(scan, layouts.of_type(each.structure)):
            _skip(scan, inner, layouts, depth + 1)


def _value(scan: Scan, each: FieldLayout, layouts: Layouts) -> object:
    """Decode where the scan stands; the length was checked by moving past it."""
    start = scan.at
    _skip(scan, each, layouts, 0)
    body = scan.body[start : scan.at]
    if each.structure is not None:
        return ua.ExtensionObject()  # a whole structure is no value of a tag
    if each.built_in == EXTENSION_OBJECT:
        return ua.ExtensionObject()
    kind = ua.VariantType(each.built_in)
    try:
        if each.is_array:
            return unpack_uatype_array(kind, Buffer(body))
        return unpack_uatype(kind, Buffer(body))
    except Exception as error:  # asyncua raises almost anything
        raise MalformedStructureError(str(error)) from error
