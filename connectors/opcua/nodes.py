"""From the text that names a node to the server's own number for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua.tags import parse_node

if TYPE_CHECKING:
    from collections.abc import Sequence


def node_id_of(text: str, uris: Sequence[str]) -> ua.NodeId | None:
    """Return the node, None where the server does not know the namespace."""
    uri, identifier = parse_node(text)
    if uri is None:
        return ua.NodeId.from_string(identifier)
    if uri not in uris:
        return None
    return ua.NodeId.from_string(f"ns={uris.index(uri)};{identifier}")
