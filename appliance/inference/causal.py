"""A historian's export judged as the appliance would have: row by row, causally.

Features, detector and decisions are those of the live path; only the windows are made
for all rows at once (`rolling`, held against `Windows` by a test).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from appliance.domain.tag import Tag, TagId
from appliance.inference.alarming import Alarming, Limits
from appliance.inference.changepoint import ChangeWatch
from appliance.inference.detector import BundleDetector
from appliance.inference.length import window_rows
from appliance.inference.rolling import Rolled, Span, rolled, rolled_swings
from models.changes import BEFORE_ROWS, RECENT_ROWS, jumps
from models.features import (
    AssetModel,
    FeatureTable,
    feature_names,
)
from models.features.steps import STATISTICS
from models.parts import DEFAULT_PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

    Train = Callable[[FeatureTable, Mapping[str, Any]], Path]
    Progress = Callable[[int, int], None]

_ASSET = "backtest"
_ROWS_AT_ONCE = 512
_NS = 1_000_000_000


class SheetError(ValueError):
    """Nothing can be judged here; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """An export: `time_ns` [n], never going back; `values` [n, names], NaN missing."""

    time_ns: NDArray[np.int64]
    names: tuple[str, ...]
    values: FloatTable

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.time_ns), len(self.names)):
            raise SheetError("times, names and values do not fit together")
        if len(self.time_ns) and (np.diff(self.time_ns) < 0).any():
            raise SheetError("the rows are not in the order of time")


@dataclass(frozen=True, slots=True)
class CausalSettings:
    """What the user may say; the defaults are those of the appliance.

    `window_s` None: so long as `window_rows` says. A further alarm may come
    `cool_down_windows` after one. `parts` (`models.parts`) make the score, `features`
    (`models.features.rhythm`) are looked at besides the usual ones.
    """

    window_s: float | None = None
    on_delay_s: float = 3.0
    cool_down_windows: float = 4.0
    false_alarms_per_week: float = 1.0
    parts: tuple[str, ...] = DEFAULT_PARTS
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One entry per row from `first_row` on; score NaN where nothing could be said.

    The state `anomaly` begins beyond `limit`, an `alarm` needs `alarm_limit`. `cause`
    is the column that contributes most, "" while all is normal. `period_s` and
    `window_s` were used; `dropped` columns' features with the reason.
    """

    first_row: int
    score: FloatColumn
    limit: float
    alarm_limit: float
    anomaly: NDArray[np.bool_]
    alarm: NDArray[np.bool_]
    changepoint: NDArray[np.bool_]
    cause: tuple[str, ...]
    period_s: float
    window_s: float
    dropped: Mapping[str, str]


def learn_and_judge(
    sheet: Sheet,
    *,
    train_rows: int,
    train: Train,
    settings: CausalSettings | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Learn from the first `train_rows` rows, judge all that follow.

    `train(table, settings)` writes the table, runs `python -m models.train` on it and
    returns the folder of the bundle; `settings` is its JSON document. `progress` is
    told (rows done, rows).

    Raises:
        SheetError: There is nothing to learn from or to judge.
    """
    settings = CausalSettings() if settings is None else settings
    period_s = sampling_period_s(sheet.time_ns)
    window_s = settings.window_s or window_rows(period_s, train_rows) * period_s
    span = Span(window_s, period_s, hold_s=window_s)
    model = _model(sheet, span, settings.features)
    features = rolled(sheet.time_ns, sheet.values, span, progress=progress)
    values = features.known()
    if model.rhythms:
        swings = rolled_swings(sheet.time_ns, sheet.values, span, model.rhythms)
        values = np.concatenate((values, swings), axis=1)
    table = _table(model, sheet, values, features, train_rows)
    folder = train(table, _training(model, settings, sheet, train_rows))
    detector = BundleDetector.load(folder)
    return _judge(
        detector, sheet, model, values, settings=settings, train_rows=train_rows
    )


def sampling_period_s(time_ns: NDArray[np.int64]) -> float:
    """Return the median distance of rows that differ in time.

    Raises:
        SheetError: There are no two.
    """
    steps = np.diff(time_ns)
    steps = steps[steps > 0]
    if not len(steps):
        raise SheetError("all rows have the same time: no window can be made")
    return float(np.median(steps)) / _NS


def _model(sheet: Sheet, span: Span, rhythms: tuple[str, ...]) -> AssetModel:
    tags = tuple(Tag(TagId(f"{_ASSET}/{i}")) for i in range(len(sheet.names)))
    return AssetModel(
        _ASSET,
        tags,
        window_s=span.window_s,
        hop_s=span.period_s,
        hold_s=span.hold_s,
        rhythms=rhythms,
    )


def _table(
    model: AssetModel,
    sheet: Sheet,
    values: FloatTable,
    features: Rolled,
    train_rows: int,
) -> FeatureTable:
    known, each = features.coverage[:train_rows], (len(STATISTICS), len(model.rhythms))
    seen = np.concatenate([np.repeat(known, n, axis=1) for n in each], axis=1)
    whole = np.isfinite(values[:train_rows]).any(axis=1)
    return FeatureTable(
        feature_names(model),
        sheet.time_ns[:train_rows][whole],
        values[:train_rows][whole],
        seen[whole],
    )


def _training(
    model: AssetModel, settings: CausalSettings, sheet: Sheet, train_rows: int
) -> Mapping[str, Any]:
    learned = sheet.values[:train_rows]
    return {
        "asset": model.asset,
        "window_s": model.window_s,
        "hop_s": model.hop_s,
        "false_alarms_per_week": settings.false_alarms_per_week,
        "parts": settings.parts,
        "features": settings.features,
        "tags": [
            {"id": tag.id, "range_low": low, "range_high": high}
            for tag, (low, high) in zip(model.tags, map(_range, learned.T), strict=True)
        ],
    }


def _range(column: FloatColumn) -> tuple[float | None, float | None]:
    finite = column[np.isfinite(column)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)


def _judge(
    detector: BundleDetector,
    sheet: Sheet,
    model: AssetModel,
    values: FloatTable,
    *,
    settings: CausalSettings,
    train_rows: int,
) -> Judged:
    """Judge the rows after the training; those before it are the past of a change."""
    place = {name: i for i, name in enumerate(feature_names(model))}
    begin = max(0, train_rows - RECENT_ROWS - BEFORE_ROWS)
    columns = [place[name] for name in detector.features]
    said = _Answered.by(detector, values[begin:], columns)
    card, own = detector.cards[0], train_rows - begin
    lasting = math.inf if card.evidence_limit is None else card.evidence_limit
    limits = Limits(detector.limit, card.anomaly_limit, card.normal_limit, lasting)
    cool_down_s = settings.cool_down_windows * model.window_s
    delay_s = max(0.0, settings.on_delay_s - model.hop_s)  # a row lasts so long
    alarming = Alarming(
        limits,
        on_delay_s=delay_s,
        cool_down_s=cool_down_s,
        window_s=model.window_s,
    )
    changes = ChangeWatch(card.change_limit, cool_down_s=model.window_s)
    times = sheet.time_ns[train_rows:].tolist()
    scores, jumped = said.score[own:].tolist(), said.jump[own:].tolist()
    standing = [alarming.step(*each) for each in zip(times, scores, strict=True)]
    changed = [changes.step(*each) for each in zip(times, jumped, strict=True)]
    return Judged(
        first_row=train_rows,
        score=said.score[own:],
        limit=card.anomaly_limit,
        alarm_limit=detector.limit,
        anomaly=np.array([each.anomaly for each in standing], dtype=np.bool_),
        alarm=np.array([each.alarm for each in standing], dtype=np.bool_),
        changepoint=np.array(changed, dtype=np.bool_),
        cause=_causes(detector, sheet, said, own, card.normal_limit),
        period_s=model.hop_s,
        window_s=model.window_s,
        dropped={_named(name, sheet): why for name, why in detector.dropped.items()},
    )


class _Answered(NamedTuple):
    """Per row: score, jump, and which of the detector's tags contributes most."""

    score: FloatColumn
    jump: FloatColumn
    first: NDArray[np.int64]

    @classmethod
    def by(
        cls, detector: BundleDetector, rows: FloatTable, columns: Sequence[int]
    ) -> _Answered:
        """Ask for some rows at a time: the answers are wider than the questions."""
        scores, shifts, firsts = [], [], []
        for part in np.array_split(rows, max(1, len(rows) // _ROWS_AT_ONCE)):
            answers = detector.judge_rows(part[:, columns])
            scores.append(answers.score.astype(np.float64))
            shifts.append(answers.shift.astype(np.float64))
            firsts.append(detector.first_tags(answers))
        return cls(
            np.concatenate(scores),
            jumps(np.concatenate(shifts)),
            np.concatenate(firsts),
        )


def _causes(
    detector: BundleDetector, sheet: Sheet, said: _Answered, own: int, normal: float
) -> tuple[str, ...]:
    """Name the column that contributes most, where a score is more than normal."""
    names = [_named(f"{tag}:", sheet) for tag in detector.tags]
    told = zip(said.score[own:].tolist(), said.first[own:].tolist(), strict=True)
    return tuple(names[first] if score > normal else "" for score, first in told)


def _named(feature: str, sheet: Sheet) -> str:
    """Return a feature's name with the column's own name in it."""
    tag, _, quantity = feature.rpartition(":")
    name = sheet.names[int(tag.rpartition("/")[2])]
    return f"{name}:{quantity}" if quantity else name
