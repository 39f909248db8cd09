"""What was said of one export: row by row in its own order, and in a few lines."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.commands.backtest.export import Export
    from models.features.asset import FloatColumn

Flags: TypeAlias = NDArray[np.bool_]

HEADER = ("timestamp", "score", "limit", "anomaly", "alarm", "changepoint", "cause")
_PORTION = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Columns of the length of the export; `trained` are the rows that were learned.

    `cause` is the name of a column, or nothing. `learned` is what the model says of
    itself, `remarks` what was noticed while judging, `problem` why there is no score.
    """

    export: Export
    trained: Flags
    score: FloatColumn
    limit: FloatColumn
    anomaly: Flags
    alarm: Flags
    changepoint: Flags
    cause: Sequence[str]
    learned: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    problem: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing of the file, and of how it was judged."""
        problem = (self.problem,) if self.problem else ()
        return (*problem, *self.export.notes, *self.remarks)


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write the CSV of all rows that were not learned; whole or not at all.

    Raises:
        OSError: The disk refused.
    """
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(HEADER)
    judged = np.flatnonzero(~outcome.trained)
    for begin in range(0, len(judged), _PORTION):
        at = judged[begin : begin + _PORTION]
        writer.writerows(
            zip(
                outcome.export.time_text[at].tolist(),
                [_number(value) for value in outcome.score[at].tolist()],
                [_number(value) for value in outcome.limit[at].tolist()],
                outcome.anomaly[at].astype(int).tolist(),
                outcome.alarm[at].astype(int).tolist(),
                outcome.changepoint[at].astype(int).tolist(),
                [outcome.cause[row] for row in at.tolist()],
                strict=True,
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue().encode("utf-8", "surrogateescape"), mode=0o644)


def summary_of(outcome: Outcome) -> dict[str, Any]:
    """Return the counts and the causes of one file."""
    judged = ~outcome.trained
    limit = outcome.limit[judged & np.isfinite(outcome.limit)]
    return {
        "rows": len(outcome.export),
        "trained_rows": int(outcome.trained.sum()),
        "evaluated_rows": int(judged.sum()),
        "scored_rows": int((judged & np.isfinite(outcome.score)).sum()),
        "from": when(int(outcome.export.time_ns.min())),
        "to": when(int(outcome.export.time_ns.max())),
        "limit": float(limit[-1]) if len(limit) else None,
        "anomaly_rows": int((outcome.anomaly & judged).sum()),
        "anomalies": len(spans(outcome.anomaly & judged)),
        "alarms": int((outcome.alarm & judged).sum()),
        "changepoints": int((outcome.changepoint & judged).sum()),
        "causes": dict(causes_of(outcome)[:5]),
        "sensors": list(outcome.export.names),
        "ignored": dict(outcome.export.ignored),
        "notes": list(outcome.notes),
        "problem": outcome.problem,
        "learned": dict(outcome.learned),
    }


def causes_of(outcome: Outcome) -> list[tuple[str, float]]:
    """Return the columns by their share of the abnormal rows, the first one first."""
    rows = np.flatnonzero(outcome.anomaly & ~outcome.trained).tolist()
    counts: dict[str, int] = {}
    for row in rows:
        if outcome.cause[row]:
            counts[outcome.cause[row]] = counts.get(outcome.cause[row], 0) + 1
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [(name, count / len(rows)) for name, count in ordered]


def spans(flags: Flags) -> list[tuple[int, int]]:
    """Return the first and the last row of every run of ones."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def when(time_ns: int) -> str:
    """Return a time for people, to the second, UTC."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _number(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""
