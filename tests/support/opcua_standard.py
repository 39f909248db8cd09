"""The standard address space of OPC UA, built once for all servers of a process.

asyncua builds its six thousand nodes anew for each server, which takes a second.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields, replace
from operator import attrgetter
from threading import Lock
from typing import TYPE_CHECKING
from unittest.mock import patch

from asyncua import ua
from asyncua.server.address_space import (
    AddressSpace,
    AttributeValue,
    NodeData,
    NodeManagementService,
)
from asyncua.server.standard_address_space import standard_address_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_fill: Callable[[NodeManagementService], None] = (
    standard_address_space.fill_address_space
)
_lock = Lock()
_built: list[AddressSpace] = []
_content = attrgetter(*(field.name for field in fields(ua.ReferenceDescription)))


@contextmanager
def standard_address_space_built_once() -> Iterator[None]:
    """Have every server that starts meanwhile begin with a copy of the first one's."""
    with patch.object(standard_address_space, "fill_address_space", _fill_by_copy):
        yield


def _fill_by_copy(service: NodeManagementService) -> None:
    with _lock:
        if not _built:
            pristine = AddressSpace()
            _fill(NodeManagementService(pristine))
            _built.append(pristine)
    (pristine,) = _built
    for name, node in pristine._nodes.items():
        service._aspace[name] = _copied(node)


def _copied(node: NodeData) -> NodeData:
    """Return a node that a server may change as its own."""
    twin = NodeData(node.nodeid)
    twin.attributes = {
        kind: AttributeValue(_own(kept.value))
        for kind, kept in node.attributes.items()
        if kept.value is not None
    }
    twin.references = [
        ua.ReferenceDescription(*_content(each)) for each in node.references
    ]
    return twin


def _own(value: ua.DataValue) -> ua.DataValue:
    """A list is handed out by reference; everything else is replaced as a whole."""
    held = value.Value
    if held is None or not isinstance(held.Value, list):
        return value
    return replace(value, Value=replace(held, Value=[*held.Value]))
