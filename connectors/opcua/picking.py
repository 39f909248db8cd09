"""One tag out of an array or a structure: `element = 3`, `field = "drive.speed"`."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Final

from asyncua import ua

from connectors.opcua.structures import MalformedStructureError, leaf

if TYPE_CHECKING:
    from connectors.opcua.structures import Layouts
    from connectors.opcua.tags import OpcuaTagSettings

STATUS_BAD_INDEX_RANGE_NO_DATA: Final = 0x8037_0000
"""The array is shorter than that (OPC UA BadIndexRangeNoData)."""
STATUS_BAD_DATA_TYPE_UNKNOWN: Final = 0x8011_0000
"""A structure of which the server gives no definition (BadDataTypeIdUnknown)."""
STATUS_BAD_DECODING: Final = 0x8007_0000
"""A structure that is not as the server defines it (OPC UA BadDecodingError)."""
STATUS_BAD_NO_MATCH: Final = 0x806F_0000
"""The structure has no such field (OPC UA BadNoMatch)."""
STATUS_BAD_TYPE_MISMATCH: Final = 0x8074_0000
"""It is no array, or no structure (OPC UA BadTypeMismatch)."""


class _UnpickableError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:08X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Pick:
    """What of a value belongs to the tag.

    Of an array of structures first the `element` is taken and then the field at
    `path`; of a structure with an array in it first the field. Elements count from 0,
    in an array of several dimensions row by row. `layouts` are those of this server.
    """

    element: int | None
    path: tuple[str, ...]
    layouts: Layouts

    def __call__(self, content: object, status: int) -> tuple[object, int]:
        """Return the part and its status; without the part, None and why.

        A status that is bad already stays as it is.
        """
        if content is None:
            return None, status
        try:
            return self._part(content), status
        except _UnpickableError as error:
            return None, status if status >> 31 else error.status

    def _part(self, content: object) -> object:
        if isinstance(content, list) or not self.path:
            return self._field(self._element(content))
        return self._element(self._field(content))

    def _element(self, content: object) -> object:
        if self.element is None:
            return content
        if not isinstance(content, list):
            raise _UnpickableError(STATUS_BAD_TYPE_MISMATCH)
        flat = ua.flatten(content) or []
        if self.element >= len(flat):
            raise _UnpickableError(STATUS_BAD_INDEX_RANGE_NO_DATA)
        return flat[self.element]

    def _field(self, content: object) -> object:
        if not self.path:
            return content
        if isinstance(content, ua.ExtensionObject):
            return self._leaf(content)
        if is_dataclass(content):  # a structure of the standard, decoded already
            return _attribute(content, self.path)
        raise _UnpickableError(STATUS_BAD_TYPE_MISMATCH)

    def _leaf(self, content: ua.ExtensionObject) -> object:
        layout = self.layouts.of_encoding(content.TypeId.to_string())
        if layout is None:
            raise _UnpickableError(STATUS_BAD_DATA_TYPE_UNKNOWN)
        try:
            return leaf(content.Body or b"", layout, self.path, self.layouts)
        except MalformedStructureError as error:
            raise _UnpickableError(STATUS_BAD_DECODING) from error
        except LookupError as error:
            raise _UnpickableError(STATUS_BAD_NO_MATCH) from error


def pick_of(settings: OpcuaTagSettings, layouts: Layouts) -> Pick | None:
    """Return what to take of a tag's values, None where it is the whole."""
    if settings.element is None and settings.field is None:
        return None
    path = () if settings.field is None else tuple(settings.field.split("."))
    return Pick(settings.element, path, layouts)


def _attribute(content: object, path: tuple[str, ...]) -> object:
    for name in path:
        if not is_dataclass(content) or not hasattr(content, name):
            raise _UnpickableError(STATUS_BAD_NO_MATCH)
        content = getattr(content, name)
    return content
