"""Tags and assets: what is measured, where, and in which unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NewType

TagId = NewType("TagId", str)
"""Name of a tag, `asset[/position]/quantity`, for example `P-101/DE/vibration_rms`."""

TAG_ID_MAX_BYTES = 128
_FORBIDDEN_IN_PART = frozenset("+#")


class InvalidTagIdError(ValueError):
    """The text is not a tag name; the message says why."""


def parse_tag_id(text: str) -> TagId:
    """Return the text as a tag name, literally: `[P-101]/x` is a legal name.

    Raises:
        InvalidTagIdError: Fewer than two parts, an empty part, a character that
            does not print or that MQTT reserves (`+`, `#`), or over 128 bytes.
    """
    if len(text.encode("utf-8", "surrogatepass")) > TAG_ID_MAX_BYTES:
        raise InvalidTagIdError(f"longer than {TAG_ID_MAX_BYTES} bytes")
    parts = text.split("/")
    if len(parts) < 2:  # noqa: PLR2004 - asset and quantity
        raise InvalidTagIdError("not of the form asset[/position]/quantity")
    if not all(part.strip() for part in parts):
        raise InvalidTagIdError("has an empty part between slashes")
    for character in text:
        if character in _FORBIDDEN_IN_PART or not character.isprintable():
            raise InvalidTagIdError(f"has the forbidden character {character!r}")
    return TagId(text)


def asset_of(tag: TagId) -> str:
    """Return the asset's id: the part before the first slash."""
    return tag.split("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Tag:
    """A named point of measurement.

    `range_low` and `range_high` are the instrument's range in engineering units;
    a value outside it is bad (the instrument cannot know it). Unbounded by default.
    `states` are the words for single values, if it has any.
    """

    id: TagId
    engineering_units: str = ""
    range_low: float = -math.inf
    range_high: float = math.inf
    description: str = ""
    states: tuple[tuple[int, str], ...] = ()

    def state_of(self, value: float) -> str:
        """Return the word for a value, "" where it has none."""
        return next((word for known, word in self.states if known == value), "")

    @property
    def span(self) -> float:
        """Width of the range, in engineering units (may be infinite)."""
        return self.range_high - self.range_low


@dataclass(frozen=True, slots=True)
class Asset:
    """The machine or part that has health."""

    id: str
    kind: str
    tags: tuple[TagId, ...] = ()
    description: str = ""
