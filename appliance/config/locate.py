"""Find the line of a key in TOML text, since tomllib does not tell."""

from __future__ import annotations

import re
from collections import Counter
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*\[(?P<array>\[)?\s*(?P<name>[^\[\]]+?)\s*\]?\]\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>[\w\-.]+|"[^"]*"|'[^']*')\s*=""")


def line_of(text: str, path: KeyPath) -> int:
    """Return the line (from 1) of the longest part of `path` that is found, or 0.

    Headers and `key =` lines are recognised; keys inside inline tables take the
    line of their table.
    """
    places = _places(text)
    for length in range(len(path), 0, -1):
        line = places.get(path[:length])
        if line:
            return line
    return 0


def _places(text: str) -> dict[KeyPath, int]:
    places: dict[KeyPath, int] = {}
    seen: Counter[KeyPath] = Counter()
    current: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            current = _open(header["name"], header["array"] is not None, seen)
            places.setdefault(current, number)
            continue
        key = _KEY.match(line)
        if key:
            places.setdefault((*current, *_parts(key["key"])), number)
    return places


def _open(name: str, array: bool, seen: Counter[KeyPath]) -> KeyPath:  # noqa: FBT001
    """Return the path of a header, with the index of each array of tables in it."""
    path: KeyPath = ()
    parts = _parts(name)
    for part in parts[:-1]:
        path = (*path, part)
        if seen[path]:
            path = (*path, seen[path] - 1)
    path = (*path, parts[-1])
    if array:
        seen[path] += 1
        path = (*path, seen[path] - 1)
    return path


def _parts(name: str) -> list[str]:
    found = re.findall(r'"([^"]*)"|\'([^\']*)\'|([\w\-]+)', name)
    return [a or b or c for a, b, c in found]
