"""The document as it was written, before its parts are known to be right."""

from __future__ import annotations

from typing import Any, TypeAlias

from appliance.config.locate import KeyPath

Finding: TypeAlias = tuple[KeyPath, str, str]
"""Key path, problem, remedy."""


def tables(found: object) -> list[dict[str, Any]]:
    """Return an array of tables; what is not a table is an empty one."""
    if not isinstance(found, list):
        return []
    return [each if isinstance(each, dict) else {} for each in found]


def table(found: object) -> dict[str, Any]:
    """Return a table; anything else is an empty one."""
    return found if isinstance(found, dict) else {}
