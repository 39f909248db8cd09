"""What wrecks still owe to the buffer, and how far each of them is gone through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from appliance.storage.fresh import Owed
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    import sqlite3

STAGES = (
    *(f"outbox_{stream}" for stream in Stream),
    "event", "segment", "chunk", "waveform", "text",
)  # fmt: skip
STREAMS = {f"outbox_{stream}": stream for stream in Stream}
HELD_STAGES = len(STREAMS)
"""While a salvage is in these, the outbox gives nothing: its rows go in order."""


@dataclass(frozen=True, slots=True)
class Debt:
    """A wreck that is not yet salvaged, and how far it is."""

    file: str
    begun_ns: int
    stage: int
    at: int
    gap: int | None
    owed: Owed

    @property
    def table(self) -> str:
        """What is read now."""
        return STAGES[self.stage]


def debts(connection: sqlite3.Connection) -> list[Debt]:
    """Return the wrecks that still owe something, oldest first."""
    rows = connection.execute(
        "SELECT file, begun_ns, stage, at, gap, owed FROM salvage ORDER BY begun_ns"
    ).fetchall()
    return [
        Debt(file, begun_ns, stage, at, gap, msgspec.json.decode(owed, type=Owed))
        for file, begun_ns, stage, at, gap, owed in rows
    ]
