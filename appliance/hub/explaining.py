"""What a model thinks of an asset now, for the alarms of its score."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.domain.health import (
    ANOMALY_SCORE,
    EXPLANATION,
    HEALTH_INDEX,
    LIFE_H,
    LIFE_HIGH_H,
    LIFE_LOW_H,
    Contribution,
    Explanation,
    explanation_of,
)
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.hub.latest import Latest

_VALUES = {
    "score": ANOMALY_SCORE,
    "health_index": HEALTH_INDEX,
    "life_h": LIFE_H,
    "life_low_h": LIFE_LOW_H,
    "life_high_h": LIFE_HIGH_H,
}
_WHOLE = 1.0
_LIMIT = 1.0  # of the anomaly score, by the tag's definition


class Explaining:
    """Reads the newest derived tags of an asset."""

    def __init__(self, latest: Latest, numbers: Mapping[TagId, int]) -> None:
        self._latest = latest
        self._numbers = numbers

    def of(self, asset: str) -> dict[str, Any] | None:
        """Return score, tags that contribute, likely fault, remaining life.

        None before anything was judged. What is not known is None, or empty.
        """
        values = {name: self._value(asset, tag) for name, tag in _VALUES.items()}
        if values["score"] is None:
            return None
        found = explanation_of(self._text(asset, EXPLANATION))
        if found is not None:
            return {**asdict(found), **values}
        cause = self._text(asset, ANOMALY_SCORE)
        whole = Contribution(cause, _WHOLE)
        tags = (whole,) if cause else ()
        bare = Explanation(asset, 0, "", values["score"], _LIMIT, tags)
        return {**asdict(bare), "since_ns": None, **values}

    def _value(self, asset: str, quantity: str) -> float | None:
        number = self._numbers.get(TagId(f"{asset}/{quantity}"))
        row = None if number is None else self._latest.row(number)
        value = None if row is None else row.good_value
        return value if value is not None and math.isfinite(value) else None

    def _text(self, asset: str, quantity: str) -> str:
        number = self._numbers.get(TagId(f"{asset}/{quantity}"))
        text = None if number is None else self._latest.texts.get(number)
        return "" if text is None else str(text.content)
