"""Names for what nobody has named yet, and patterns over names. Pure.

What a server calls its nodes is kept literally as far as a tag's name allows it:
`[P-101]` and wide characters stay what they are.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from appliance.domain.tag import TAG_ID_MAX_BYTES, TagId, parse_tag_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_IN_THE_WAY = frozenset("+#")
_PLACEHOLDER = "_"
_LEAST_PARTS = 2


def legal_tag_id(parts: Sequence[str], *, asset: str) -> TagId:
    """Return a tag name for a path of names; `asset` is put before a single one.

    A slash within a name divides it. What cannot be printed, or is reserved, becomes
    an underscore; of a name that is too long the middle parts go first.

    >>> legal_tag_id(["[P-101]", "flow #1"], asset="skid")
    '[P-101]/flow _1'
    >>> legal_tag_id(["level"], asset="skid")
    'skid/level'
    """
    named = [part for each in parts for part in _divided(each)]
    while len(named) < _LEAST_PARTS:
        named = [*(_divided(asset) or [_PLACEHOLDER]), *named]
    while len(named) > _LEAST_PARTS and _size("/".join(named)) > TAG_ID_MAX_BYTES:
        del named[1]
    room = (TAG_ID_MAX_BYTES - len(named) + 1) // len(named)
    if _size("/".join(named)) > TAG_ID_MAX_BYTES:
        named = [_cut(part, room) for part in named]
    return parse_tag_id("/".join(named))


def unique(names: Iterable[TagId]) -> tuple[TagId, ...]:
    """Return the names in their order, with a number behind those that were there.

    >>> unique(["P-101/flow", "P-101/flow"])
    ('P-101/flow', 'P-101/flow_2')
    """
    given = list(names)
    taken = set(given)
    found: dict[TagId, None] = {}
    for name in given:
        free, number = name, 2
        while free in found or (free != name and free in taken):
            ending = f"_{number}"
            free = TagId(_cut(name, TAG_ID_MAX_BYTES - len(ending)) + ending)
            number += 1
        found[free] = None
    return tuple(found)


def matches(name: str, glob: str) -> bool:
    """Say whether a name is meant: `*` is anything, `?` one character.

    Everything else stands for itself, brackets too.

    >>> matches("[P-101]/flow", "[P-101]/*"), matches("P-101/flow", "P-102/*")
    (True, False)
    """
    return _pattern(glob).fullmatch(name) is not None


def literal_head(glob: str) -> str:
    """Return what every name that is meant begins with.

    >>> literal_head("P-101/*_rms")
    'P-101/'
    """
    return re.split(r"[*?]", glob, maxsplit=1)[0]


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    text = "".join(wild.get(character, re.escape(character)) for character in glob)
    return re.compile(text, re.DOTALL)


def _divided(name: str) -> list[str]:
    return [part for each in name.split("/") if (part := _plain(each))]


def _plain(part: str) -> str:
    kept = (
        each if each.isprintable() and each not in _IN_THE_WAY else _PLACEHOLDER
        for each in part
    )
    return "".join(kept).strip()


def _size(text: str) -> int:
    return len(text.encode())


def _cut(text: str, room: int) -> str:
    return text.encode()[:room].decode(errors="ignore").strip()
