"""A damaged buffer is set aside under another name, and a fresh one takes its place.

The order of the renames lets a power failure at any point be made good at the next
start: the fresh file is complete under a hidden name before the damaged one moves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.runtime.files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 4
"""Wrecks that stay on the disk; of more, the oldest that is salvaged goes, and is
told."""
_MARK = ".damaged-"


def fresh_of(path: Path) -> Path:
    """Return where the fresh buffer is made."""
    return path.with_name(f".{path.name}.fresh")


def wreck_of(path: Path, now_ns: int) -> Path:
    """Return a name for the damaged buffer that nothing has yet."""
    while True:
        wreck = path.with_name(f"{path.name}{_MARK}{now_ns}")
        if not wreck.exists():
            return wreck
        now_ns += 1


def wrecks(path: Path) -> list[Path]:
    """Return the wrecks of a buffer, oldest first."""
    pattern = re.compile(re.escape(path.name + _MARK) + r"(\d+)")
    found = ((pattern.fullmatch(each.name), each) for each in path.parent.iterdir())
    dated = [(int(match[1]), each) for match, each in found if match is not None]
    return [each for _, each in sorted(dated)]


def set_aside(path: Path, wreck: Path) -> None:
    """Rename the file, then its log, so that nothing opens it by mistake.

    What was renamed by an attempt that was cut short is left as it is.

    Raises:
        OSError: The disk refused; call it again.
    """
    for suffix in ("", "-wal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(wreck.with_name(wreck.name + suffix))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    sync_folder(path.parent)


def take_place(path: Path) -> None:
    """Put the fresh buffer where the damaged one was. Raises OSError."""
    fresh_of(path).replace(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a database with its log, if it is there. Raises OSError."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def thin_out(path: Path, owing: frozenset[str]) -> list[Path]:
    """Remove the oldest wrecks beyond `KEPT` that owe nothing; return them.

    Raises:
        OSError: The disk refused.
    """
    there = wrecks(path)
    excess = max(0, len(there) - KEPT)
    gone = [each for each in there if each.name not in owing][:excess]
    for each in gone:
        remove(each)
    return gone
