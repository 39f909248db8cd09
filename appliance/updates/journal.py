"""Who brought which model into force: one line of JSON each, only ever appended.

Kept beside the models, because the act may happen while no hub runs. With a running
hub the same act is an event, too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

FILE = ".journal.jsonl"


class Act(msgspec.Struct, frozen=True):
    """One act on the shelf. `before` is the version that was active, if any."""

    utc_ns: int
    act: str
    asset: str
    version: str
    before: str | None
    actor: str


def append(root: Path, act: Act) -> None:
    """Write an act down, on a line of its own; durable on return.

    Raises:
        OSError: The disk refused.
    """
    root.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode(act) + b"\n"
    descriptor = os.open(root / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        length = os.fstat(descriptor).st_size
        if length and os.pread(descriptor, 1, length - 1) != b"\n":
            line = b"\n" + line  # the last one was cut short by a power failure
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(root: Path) -> tuple[Act, ...]:
    """Return all acts in order; a line cut short by a power failure is passed over."""
    try:
        lines = (root / FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    acts = []
    for line in lines:
        try:
            acts.append(msgspec.json.decode(line, type=Act))
        except msgspec.DecodeError:
            continue
    return tuple(acts)
