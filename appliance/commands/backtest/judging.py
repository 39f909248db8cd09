"""Judge one export by the code of the live path, and put it back in its own order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.commands.backtest.export import ExportError
from appliance.commands.backtest.outcome import Outcome
from appliance.commands.exits import CommandError
from appliance.commands.training import NotLearnedError, train_bundle
from appliance.inference.causal import (
    CausalSettings,
    Judged,
    Sheet,
    SheetError,
    learn_and_judge,
)
from models.bundle import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.commands.backtest.export import Export
    from models.features import FeatureTable
    from models.features.asset import SlotColumn

    Told = Callable[[int, int], None]
    Train = Callable[[FeatureTable, Mapping[str, Any], Path], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows are learned from; of both the fewer."""

    rows: int | None = None
    fraction: float | None = None

    def of(self, count: int) -> int:
        """Return how many of `count` rows are learned from.

        Raises:
            ExportError: That leaves nothing to learn from or to judge.
        """
        asked = [] if self.rows is None else [self.rows]
        if self.fraction is not None:
            asked.append(int(self.fraction * count))
        wanted = min(asked)
        if wanted < 1:
            raise ExportError(f"of {count} rows none would be learned from")
        if wanted >= count:
            raise ExportError(
                f"it has {count} rows, and {wanted} are to be learned from: "
                "none is left to judge; give fewer --train-rows"
            )
        return wanted


def judge_export(
    export: Export,
    share: Share,
    *,
    settings: CausalSettings,
    told: Told | None = None,
    train: Train = train_bundle,
) -> Outcome:
    """Learn from the first rows in time, judge all others as if they came one by one.

    `train` learns a bundle from a table and settings, in a folder.

    Where there is nothing to learn the outcome has no score, and a problem.

    Raises:
        ExportError: It cannot be judged; the file is named.
    """
    order = np.argsort(export.time_ns, kind="stable")
    learned: dict[str, Any] = {}

    def trained(table: FeatureTable, wishes: Mapping[str, Any]) -> Path:
        learned.update(train(table, wishes, folder))
        return Path(learned["path"])

    with tempfile.TemporaryDirectory(prefix="wheeltapper-backtest-") as name:
        folder = Path(name)
        try:
            train_rows = share.of(len(export))
            judged = learn_and_judge(
                Sheet(export.time_ns[order], export.names, export.values[order]),
                train_rows=train_rows,
                train=trained,
                settings=settings,
                progress=told,
            )
        except NotLearnedError as error:
            return _unscored(export, order[:train_rows], str(error))
        except (ExportError, SheetError, BundleError, CommandError) as error:
            raise ExportError(f"{export.path}: {error}") from error
    remarks = (*_of_order(export, order), *_of_steps(export, order, judged))
    return _outcome(export, order, judged, learned=learned, remarks=remarks)


def _unscored(export: Export, learned: SlotColumn, problem: str) -> Outcome:
    """Say that nothing can be said: from these rows there is nothing to learn."""
    count = len(export)
    trained = np.zeros(count, dtype=np.bool_)
    trained[learned] = True
    nowhere = np.zeros((3, count), dtype=np.bool_)
    unknown = np.full(count, np.nan)
    return Outcome(
        export=export,
        trained=trained,
        score=unknown,
        limit=unknown,
        anomaly=nowhere[0],
        alarm=nowhere[1],
        changepoint=nowhere[2],
        cause=[""] * count,
        problem=(
            f"{problem}; {len(learned)} rows were to be learned from: "
            "give more --train-rows, or a shorter --window"
        ),
    )


def _outcome(
    export: Export,
    order: SlotColumn,
    judged: Judged,
    *,
    learned: Mapping[str, Any],
    remarks: tuple[str, ...],
) -> Outcome:
    """Give each row of the file what was said of its place in time."""
    count, rest = len(export), order[judged.first_row :]
    trained = np.ones(count, dtype=np.bool_)
    trained[rest] = False
    score = np.full(count, np.nan)
    score[rest] = judged.score
    flags = np.zeros((3, count), dtype=np.bool_)
    flags[:, rest] = judged.anomaly, judged.alarm, judged.changepoint
    cause = np.full(count, "", dtype=object)
    cause[rest] = judged.cause
    own = {
        "window": f"{judged.window_s:g} s",
        "sampling period": f"{judged.period_s:g} s",
        "limit of an alarm": judged.alarm_limit,
    }
    return Outcome(
        export=export,
        trained=trained,
        score=score,
        limit=np.full(count, judged.limit),
        anomaly=flags[0],
        alarm=flags[1],
        changepoint=flags[2],
        cause=cause.tolist(),
        learned={**own, **_plain(learned), "dropped": judged.dropped},
        remarks=remarks,
    )


def _plain(learned: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the trainer said, without where and under which names."""
    apart = ("ok", "path", "asset", "dropped", "version")
    return {key: value for key, value in learned.items() if key not in apart}


def _of_order(export: Export, order: SlotColumn) -> tuple[str, ...]:
    """Say what is odd about the rows' times."""
    steps = np.diff(export.time_ns)
    back = int((steps < 0).sum())
    said = []
    if back and back == len(steps):
        said.append("newest first: the rows were judged in order of time")
    elif back:
        row = int(np.argmax(steps < 0)) + 2
        said.append(
            f"time goes back {back} times (first at row {row}): judged in order of "
            "time; a clock that was set back for winter repeats an hour"
        )
    same = int((np.diff(export.time_ns[order]) == 0).sum())
    if same:
        said.append(f"{same} rows have the time of another row")
    return tuple(said)


def _of_steps(export: Export, order: SlotColumn, judged: Judged) -> tuple[str, ...]:
    steps = np.diff(export.time_ns[order]) * 1e-9
    gaps = steps > max(10.0 * judged.period_s, judged.window_s)
    if not gaps.any():
        return ()
    said = (
        f"{int(gaps.sum())} gaps longer than a window, the longest "
        f"{float(steps.max()):g} s; behind each, rows have no score until enough of a "
        "window is known"
    )
    return (said,)
