"""Walks a server's address space, level by level, within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from asyncua import ua

from appliance.domain.naming import legal_tag_id, literal_head, matches
from connectors.opcua.limits import standard_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.tag import TagId
    from connectors.opcua.services import Services

OBJECTS: Final = standard_node("ObjectsFolder")
_HIERARCHICAL: Final = standard_node("HierarchicalReferences")
_HAS_PROPERTY: Final = standard_node("HasProperty")
_CLASSES: Final = int(ua.NodeClass.Object) | int(ua.NodeClass.Variable)
_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What to look for, and when to stop.

    `globs` are held against the proposed tag names; none means everything. At most
    `most` variables are returned and `most_visited` nodes looked at, `deepest` levels
    below the root.
    """

    asset: str
    globs: tuple[str, ...] = ()
    most: int = 10_000
    most_visited: int = 100_000
    deepest: int = 20

    def wants(self, name: TagId) -> bool:
        """Say whether a tag of this name is asked for."""
        return not self.globs or any(matches(name, glob) for glob in self.globs)

    def may_lead_to(self, path: Sequence[str]) -> bool:
        """Say whether names below this path can be asked for."""
        if not self.globs:
            return True
        # What is put before a name that is alone keeps the first level open.
        begun = f"{legal_tag_id([*path, '_'], asset=self.asset)[:-1]}"
        heads = [literal_head(glob) for glob in self.globs]
        return any(head.startswith(begun) or begun.startswith(head) for head in heads)


@dataclass(frozen=True, slots=True)
class Found:
    """A variable, and the tag name that its path proposes."""

    node: ua.NodeId
    name: TagId


@dataclass(slots=True)
class Walk:
    """What was found, and why it was not more."""

    variables: list[Found] = field(default_factory=list)
    visited: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    node: ua.NodeId
    path: tuple[str, ...] = ()


async def walk(services: Services, root: ua.NodeId, wish: Wish) -> Walk:
    """Return the variables below a node, each once, however the graph is tangled.

    From the Objects folder the standard's own branches (Server, Aliases) are left out.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    found = Walk()
    seen = {root}
    level = [_Place(root)]
    for _ in range(wish.deepest):
        below: list[_Place] = []
        for start in range(0, len(level), _AT_ONCE):
            some = level[start : start + _AT_ONCE]
            for parent, each in await _children(services, some):
                node = _node_of(each)
                if node is None or node in seen:
                    continue
                if root == OBJECTS and node.NamespaceIndex == 0:
                    continue
                seen.add(node)
                place = _Place(node, (*parent.path, each.BrowseName.Name or ""))
                _take(found, place, each.NodeClass, wish)
                if _is_full(found, wish):
                    return found
                if wish.may_lead_to(place.path):
                    below.append(place)
        if not below:
            return found
        level = below
    found.notes.append(
        f"{len(level)} nodes lie deeper than {wish.deepest} levels and were not "
        "looked into; begin lower: --root NODE"
    )
    return found


def _take(found: Walk, place: _Place, kind: ua.NodeClass, wish: Wish) -> None:
    found.visited += 1
    if kind == ua.NodeClass.Variable:
        name = legal_tag_id(place.path, asset=wish.asset)
        if wish.wants(name):
            found.variables.append(Found(place.node, name))


def _is_full(found: Walk, wish: Wish) -> bool:
    """Whether a bound is reached; then a note says so."""
    if len(found.variables) >= wish.most:
        found.notes.append(
            f"stopped at {wish.most} variables, there may be more; say which you want "
            "(--match 'P-101/*', --root NODE), or raise --max-nodes"
        )
        return True
    if found.visited >= wish.most_visited:
        found.notes.append(
            f"stopped after {found.visited} nodes, there may be more; begin lower: "
            "--root NODE"
        )
        return True
    return False


async def _children(
    services: Services, places: Sequence[_Place]
) -> list[tuple[_Place, ua.ReferenceDescription]]:
    asked = [
        ua.BrowseDescription(
            NodeId=place.node,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=_HIERARCHICAL,
            IncludeSubtypes=True,
            NodeClassMask=ua.UInt32(_CLASSES),
            ResultMask=ua.BrowseResultMask.All,
        )
        for place in places
    ]
    answers = await services.references(asked)
    return [
        (place, each)
        for place, references in zip(places, answers, strict=True)
        for each in references
        if each.ReferenceTypeId != _HAS_PROPERTY
    ]


def _node_of(reference: ua.ReferenceDescription) -> ua.NodeId | None:
    """Return the node, None if it lies in another server."""
    node = reference.NodeId
    if getattr(node, "ServerIndex", 0):
        return None
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)
