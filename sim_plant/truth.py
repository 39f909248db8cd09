"""The ground truth, as JSON lines: what, where, since when, how severe."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from sim_plant.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class TruthEntry:
    """One line before it has a date: plant time, kind, and the kind's own fields."""

    t_s: float
    kind: str
    fields: Mapping[str, str | float] = field(default_factory=dict)


class TruthLog:
    """Writes entries to a text stream, flushed line by line; without one, nowhere."""

    def __init__(self, stream: TextIO | None, *, start_utc_ns: int) -> None:
        self._stream = stream
        self._start_utc_ns = start_utc_ns

    def write(self, entries: Iterable[TruthEntry]) -> None:
        """Append entries; each is on its way to the disk when this returns."""
        if self._stream is None:
            return
        for entry in entries:
            self._stream.write(line(entry, start_utc_ns=self._start_utc_ns) + "\n")
            self._stream.flush()


def line(entry: TruthEntry, *, start_utc_ns: int) -> str:
    """One JSON object without the newline."""
    stamped = {
        "t_s": round(entry.t_s, 6),
        "utc_ns": start_utc_ns + round(entry.t_s * NS_PER_S),
        "kind": entry.kind,
        **entry.fields,
    }
    return json.dumps(stamped, ensure_ascii=False)
