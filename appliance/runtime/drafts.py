"""A configuration that a program writes and a person edits: TOML as text. Pure.

Reading is the standard library's `tomllib`; this is the other direction, with comments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath

HEADING = """\
config_version = 1

[site]
id = "site"             # who you are: both are levels of every MQTT topic
gateway = "gateway-1"
"""
"""What stands before the first source of a whole configuration."""


def value(given: object) -> str:
    """Return a value as TOML writes it.

    >>> value([1, 2.0, True]), value({"policy": "none"})
    ('[1, 2.0, true]', '{ policy = "none" }')

    Raises:
        TypeError: TOML has no such value.
    """
    match given:
        case bool():
            return "true" if given else "false"
        case int() | float():
            return repr(given)
        case str() | PurePath():
            return _quoted(str(given))
        case list() | tuple():
            return f"[{', '.join(map(value, given))}]"
        case Mapping():
            inner = ", ".join(f"{key} = {value(each)}" for key, each in given.items())
            return f"{{ {inner} }}"
        case _:
            raise TypeError(f"{given!r} is no value of TOML")


def pairs(keys: Mapping[str, object]) -> list[str]:
    """Return one line for each key; None is left out, because TOML has none."""
    return [
        f"{key} = {value(given)}" for key, given in keys.items() if given is not None
    ]


def table(name: str, keys: Mapping[str, object], *, many: bool = False) -> list[str]:
    """Return a table, or with `many` one of an array of tables, after an empty line."""
    return ["", f"[[{name}]]" if many else f"[{name}]", *pairs(keys)]


def comment(text: str) -> str:
    """Return a line that means nothing, whatever the text holds."""
    return f"# {one_line(text)}".rstrip()


def one_line(text: str) -> str:
    """Return text that can be printed, on one line; what cannot becomes a space."""
    return "".join(each if each.isprintable() else " " for each in text)


def _quoted(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode()
    # JSON's escapes are TOML's too; DEL is the one character only TOML refuses.
    return json.dumps(readable, ensure_ascii=False).replace("\x7f", "\\u007f")
