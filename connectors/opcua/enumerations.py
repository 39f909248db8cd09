"""The words for the numbers of an enumeration, as the server gives them.

A variable of two or more states says them itself (Part 8, 5.3.3); of an enumeration,
its data type does (Part 3, 8.40), as properties or as a definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from asyncua import ua

from appliance.runtime.drafts import one_line
from connectors.opcua.values import status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.opcua.services import Services

States: TypeAlias = tuple[tuple[int, str], ...]
"""Values and their words, in the order of the values."""

PROPERTIES: Final = ("EnumStrings", "EnumValues", "TrueState", "FalseState")
_BUILT_IN: Final = 30
_NUMBERED: Final = ("EnumStrings", "EnumValues")
_MOST_STATES: Final = 256


def states_of(own: Mapping[str, object]) -> States:
    """Return what properties of a variable, or of a data type, say; () if nothing."""
    found: dict[int, str] = {}
    match own.get("EnumStrings"):
        case list() as strings:
            found |= {row: _words(each) for row, each in enumerate(strings)}
    match own.get("EnumValues"):
        case list() as values:
            found |= {
                each.Value: _words(each.DisplayName)
                for each in values
                if isinstance(each, ua.EnumValueType)
            }
    for value, name in enumerate(("FalseState", "TrueState")):
        found[value] = _words(own.get(name)) or found.get(value, "")
    return _ordered(found)


async def read_type_states(
    services: Services, types: Iterable[ua.NodeId]
) -> dict[str, States]:
    """Return the states of those data types that are enumerations, by type.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    asked = {each.to_string(): each for each in types if _may_be_enumeration(each)}
    if not asked:
        return {}
    known = await services.properties(list(asked.values()))
    wanted = [
        (kind, name, own[name])
        for kind, own in zip(asked, known, strict=True)
        for name in _NUMBERED
        if name in own
    ]
    contents = await services.values([node for _, _, node in wanted])
    said: dict[str, dict[str, object]] = {kind: {} for kind in asked}
    for (kind, name, _), each in zip(wanted, contents, strict=True):
        said[kind][name] = _content(each)
    found = {kind: states_of(own) for kind, own in said.items()}
    rest = [kind for kind, states in found.items() if not states]
    definitions = await services.attributes(
        [(asked[kind], ua.AttributeIds.DataTypeDefinition) for kind in rest]
    )
    for kind, each in zip(rest, definitions, strict=True):
        found[kind] = _defined(_content(each))
    return {kind: states for kind, states in found.items() if states}


def _may_be_enumeration(kind: ua.NodeId) -> bool:
    number = None if kind.NamespaceIndex else kind.Identifier
    return not isinstance(number, int) or number > _BUILT_IN


def _defined(definition: object) -> States:
    if not isinstance(definition, ua.EnumDefinition):
        return ()
    return _ordered(
        {
            each.Value: _words(each.DisplayName) or one_line(str(each.Name or ""))
            for each in definition.Fields or ()
        }
    )


def _ordered(found: Mapping[int, str]) -> States:
    named = sorted((int(value), words) for value, words in found.items() if words)
    return tuple(named[:_MOST_STATES])


def _words(given: object) -> str:
    text = given.Text if isinstance(given, ua.LocalizedText) else None
    return one_line(text).strip() if text else ""


def _content(answer: ua.DataValue) -> object:
    if answer.Value is None or status_of(answer) >> 31:
        return None
    content: object = answer.Value.Value
    return content
