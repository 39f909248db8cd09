# ruff: noqa: INP001 - a folder of scripts, no package
"""Which part of the lock a gateway needs: its requirements, and what those need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class ClosureError(Exception):
    """The lock does not hold what is needed."""


def closure(
    wanted: Iterable[str],
    requires: Callable[[str], Iterable[str]],
    environment: Mapping[str, str] | None = None,
) -> frozenset[str]:
    """Return the names of what is wanted and of all that it needs, here.

    `requires(name)` gives the requirements of one distribution, as its metadata has
    them; `environment` overrides markers (`python_version`, …) of this interpreter.
    """
    overrides = dict(environment or {})
    extras: dict[str, set[str]] = {}
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        known = extras.get(name)
        if known is not None and requirement.extras <= known:
            continue
        extras.setdefault(name, {""}).update(requirement.extras)
        for text in requires(name):
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({**overrides, "extra": extra})
                for extra in extras[name]
            ):
                waiting.append(needed)
    return frozenset(extras)


def entries(lock: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the entry of each name whose marker holds here."""
    overrides = dict(environment or {})
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", lock.strip()):
        head = " ".join(block.partition("--hash")[0].replace("\\", " ").split())
        if not _NAME.match(head):
            continue
        requirement = Requirement(head)
        if requirement.marker is None or requirement.marker.evaluate(overrides):
            found[canonicalize_name(requirement.name)] = block
    return found


def part_of(lock: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the entries of the names.

    Raises:
        ClosureError: A name is not in the lock.
    """
    missing = sorted(set(names) - lock.keys())
    if missing:
        raise ClosureError(f"not in the lock: {', '.join(missing)}")
    return {name: lock[name] for name in sorted(names)}


def digests(entry: str) -> frozenset[str]:
    """Return the SHA-256 digests that an entry permits."""
    return frozenset(_HASH.findall(entry))
