"""The configuration for what was found on a server: TOML that `check` accepts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.runtime.drafts import HEADING, comment, pairs, table
from connectors.opcua.values import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.opcua.describing import Variable

_NUMBER_TYPES = frozenset(
    {
        "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64",
        "UInt64", "Float", "Double",
    }
)  # fmt: skip


def draft(
    source: Mapping[str, object],
    security: Mapping[str, object],
    variables: Sequence[Variable],
    remarks: Sequence[str] = (),
) -> str:
    """Return a whole configuration.

    `source` are the keys of the source itself; `remarks` stand above its security.
    """
    lines = [HEADING.rstrip(), *table("sources", source, many=True)]
    lines += ["", *map(comment, remarks), "[sources.security]", *pairs(security)]
    for each in variables:
        lines += _tag(each)
    writable = [each for each in variables if _can_be_a_point(each)]
    if writable:
        lines += ["", *_points(writable)]
    return "\n".join(lines) + "\n"


def declares_a_tag(variable: Variable) -> bool:
    """Say whether a variable is a tag as it is, without a person's word."""
    is_one_value = not variable.is_array and not variable.is_structure
    return (
        bool(variable.node)
        and variable.is_readable
        and (is_one_value or variable.is_waveform)
    )


def _tag(variable: Variable) -> Iterator[str]:
    lines = table("sources.tags", _keys(variable), many=True)
    yield lines[0]
    if declares_a_tag(variable):
        yield from lines[1:]
        yield from _remarks(variable)
        return
    yield comment(_why_not(variable))
    for line in lines[1:]:
        yield comment(line)


def _keys(variable: Variable) -> dict[str, object]:
    nature, stated = variable.semantics.nature, variable.eu_range
    keys: dict[str, object] = {"id": variable.name, "node": variable.node}
    if variable.is_array and not variable.is_waveform:
        keys["element"] = 0
    if variable.is_structure:
        keys["field"] = "NAME"
    keys["type"] = nature.data_type or None
    keys["waveform"] = variable.is_waveform or None
    keys["sample_rate_hz"] = (
        variable.semantics.sample_rate_hz if variable.is_waveform else None
    )
    keys["engineering_units"] = nature.units or None
    if stated is not None and not variable.is_waveform:
        keys["range_low"], keys["range_high"] = stated
    if variable.semantics.states and not variable.is_structure:
        keys["states"] = dict(variable.semantics.states)
    if not variable.name.endswith(variable.description):
        keys["description"] = variable.description
    return keys


def _remarks(variable: Variable) -> Iterator[str]:
    yield comment(f"now {variable.shown} {variable.semantics.nature.units}")
    stated = variable.semantics.nature.eu_range
    if variable.contradicts_range and stated is not None:
        yield comment(
            f"the server states the range {stated[0]:g}..{stated[1]:g}, and the value "
            "is outside it: find out which is true, then set range_low and range_high"
        )


def _why_not(variable: Variable) -> str:
    if not variable.node:
        return "its node cannot be named in text; have it renamed in the server:"
    if not variable.is_readable:
        return "we may not read it; give our user the right, then uncomment:"
    if variable.is_structure:
        return "a structure; say which `field` is the tag, then uncomment:"
    return (
        "an array that does not say its SampleRate; choose an `element`, or write "
        "waveform = true and sample_rate_hz, then uncomment:"
    )


def _can_be_a_point(variable: Variable) -> bool:
    is_number = plain(variable.content) is not None or variable.content is None
    known = variable.semantics.nature.data_type in _NUMBER_TYPES
    return bool(variable.node) and variable.is_writable and known and is_number


def _points(variables: Sequence[Variable]) -> Iterator[str]:
    yield comment("The server lets us write these. Wheeltapper writes only what is ")
    yield comment("listed as a point; uncomment what it must write, and nothing else.")
    for each in variables:
        keys = {
            "name": each.name.rpartition("/")[2][:64],
            "node": each.node,
            "type": each.semantics.nature.data_type,
        }
        for line in table("sources.points", keys, many=True)[1:]:
            yield comment(line)
