"""How the models do, hour by hour, for the cloud. Pure: time is an argument.

Inference tells of its models with its status. A look each minute is rolled up as a tag
is: a row for each figure of each model and hour. A look at which a model had judged
nothing new counts as bad: the process stands, or the machine's windows do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.domain.batch import batch_of
from appliance.domain.model_figures import ModelFigure
from appliance.domain.sample import Quality
from appliance.domain.tag import InvalidTagIdError
from appliance.hub.summaries import Summaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.domain.summary import Summary
    from appliance.domain.tag import TagId

LOOK_EACH_S = 60.0
PERIOD_S = 3600.0
FIGURES_MAX = 10_000
"""Figures of a period: beyond it nothing is taken, whatever is told."""


class ModelFigures:
    """Accumulates looks; `due` returns what an hour has come to when it is over."""

    def __init__(self) -> None:
        self._summaries = Summaries(PERIOD_S)
        self._numbers: dict[TagId, int] = {}
        self._judged: dict[str, int] = {}

    def look(self, status: Mapping[str, Any], utc_ns: int) -> None:
        """Take what inference said last; nothing, where it never said anything."""
        counts = dict(status.get("judged") or {})
        for asset, version in dict(status.get("models") or {}).items():
            quality = Quality.GOOD
            if counts.get(asset) == self._judged.get(asset):
                quality = Quality.BAD
            self._take(list(_figures(status, asset, version)), quality, utc_ns)
        self._judged = counts

    def due(self, utc_ns: int) -> list[Summary]:
        """Return the summaries of the hour, once, when it is over."""
        return self._told(self._summaries.due(utc_ns, self._names()))

    def close(self) -> list[Summary]:
        """Return what the hour has come to so far, and begin anew."""
        return self._told(self._summaries.close(self._names()))

    def _take(
        self, figures: list[tuple[TagId, float]], quality: Quality, utc_ns: int
    ) -> None:
        if len(self._numbers) + len(figures) > FIGURES_MAX:
            return
        numbers = [
            self._numbers.setdefault(tag, len(self._numbers)) for tag, _ in figures
        ]
        self._summaries.grow(len(self._numbers))
        good = quality == Quality.GOOD
        values = [value if good else np.nan for _, value in figures]
        self._summaries.add(
            batch_of(
                numbers,
                values,
                source_time_ns=utc_ns,
                receive_time_ns=utc_ns,
                quality=quality,
            )
        )

    def _names(self) -> dict[int, TagId]:
        return {number: tag for tag, number in self._numbers.items()}

    def _told(self, found: list[Summary]) -> list[Summary]:
        if found:  # the next hour's models may be others
            self._summaries, self._numbers = Summaries(PERIOD_S), {}
        return found


def _figures(
    status: Mapping[str, Any], asset: str, version: str
) -> Iterator[tuple[TagId, float]]:
    told = dict(dict(status.get("telemetry") or {}).get(asset) or {})
    if not told:
        return
    told["drifted"] = asset in (status.get("drift") or {})
    told["memory_bytes"] = status.get("memory_bytes")
    for name, value in told.items():
        if isinstance(value, int | float) and np.isfinite(value):
            try:
                yield ModelFigure(asset, version, str(name)).tag, float(value)
            except InvalidTagIdError:
                continue  # a name that cannot travel
