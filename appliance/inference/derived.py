"""What was judged of an asset, as a batch of its derived tags."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import Text, batch_of, keep_alive
from appliance.domain.health import (
    ANOMALY,
    ANOMALY_SCORE,
    EXPLANATION,
    HEALTH_INDEX,
    LIFE_H,
    LIFE_HIGH_H,
    LIFE_LOW_H,
    derived_group,
)
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.health import Health

STATUS_BAD_NO_DATA = 0x809B_0000
"""There is nothing to judge: the machine stands, or values are missing (BadNoData)."""
_TOLD = (HEALTH_INDEX, ANOMALY_SCORE, ANOMALY, LIFE_H, LIFE_LOW_H, LIFE_HIGH_H)


class Derived:
    """Makes the batches of one asset.

    While there is nothing to judge the tags are told to be bad, once, and then only
    confirmed; so are the causes: told when they change.
    """

    def __init__(self, asset: str, numbers: Mapping[TagId, int]) -> None:
        self._group = derived_group(asset)
        self._numbers = [numbers[TagId(f"{asset}/{each}")] for each in _TOLD]
        self._explanation = numbers[TagId(f"{asset}/{EXPLANATION}")]
        self._told_bad = False
        self._told_cause = ""

    def repeat(self) -> None:
        """Tell again what is told once: it may have been lost with the link."""
        self._told_bad = False
        self._told_cause = ""

    def batch(self, health: Health, explanation: str | None, *, now_ns: int) -> Batch:
        """Return what is thought of the asset; an explanation of None is not news."""
        texts = self._cause(health)
        if explanation is not None:
            texts = (*texts, Text(self._explanation, health.time_ns, explanation))
        known = math.isfinite(health.score)
        if not known and self._told_bad:
            return replace(keep_alive(self._group, now_ns), texts=texts)
        self._told_bad = not known
        values = np.array(_values(health) if known else [math.nan] * len(_TOLD))
        finite = np.isfinite(values)
        return batch_of(
            self._numbers,
            np.where(finite, values, np.nan),
            source_time_ns=health.time_ns,
            receive_time_ns=now_ns,
            quality=np.where(finite, Quality.GOOD, Quality.BAD),
            status=np.where(finite, 0, STATUS_BAD_NO_DATA),
            group=self._group,
            texts=texts,
        )

    def _cause(self, health: Health) -> tuple[Text, ...]:
        if health.cause == self._told_cause:
            return ()
        self._told_cause = health.cause
        return (Text(self._numbers[1], health.time_ns, health.cause),)


def _values(health: Health) -> list[float]:
    """Return the values in the order of `_TOLD`; the tag's score has 1.0 as limit."""
    life = health.life
    hours = [math.nan] * 3
    if life is not None:
        hours = [life.expected_h, life.low_h, life.high_h]
    score = health.score / health.limit
    return [health.index, score, float(health.anomaly), *hours]
