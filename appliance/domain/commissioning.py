"""What a connector says while a person is setting it up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.sample import Sample


@dataclass(frozen=True, slots=True)
class Probed:
    """One tag, read once: what came over the wire, and what became of it.

    `raw` is the protocol's own (register words in hexadecimal, a Variant's type and
    value), `decoded` the value before scaling, `state` the word for it where the other
    side has one.
    """

    sample: Sample
    raw: str
    decoded: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was found: rows for people, and a configuration to edit.

    `toml` is whole: `wheeltapper check` accepts it as it is; it declares `tag_count`
    tags. `notes` say what was not found, and why. Rows of the same keys that follow
    each other are one table.
    """

    rows: tuple[Mapping[str, str], ...]
    toml: str
    notes: tuple[str, ...] = field(default=())
    tag_count: int = 0
