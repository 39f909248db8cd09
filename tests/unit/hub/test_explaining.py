"""What a model thinks of an asset, from the newest derived tags."""

from __future__ import annotations

import math

from appliance.domain.batch import Text, batch_of
from appliance.domain.health import Contribution, Explanation, derived_tags
from appliance.domain.sample import Quality
from appliance.hub.explaining import Explaining
from appliance.hub.latest import Latest

TAGS = derived_tags("P-101")
NUMBERS = {tag.id: number for number, tag in enumerate(TAGS)}
NAMED = {
    tag.id.split("/")[1]: number
    for tag, number in zip(TAGS, NUMBERS.values(), strict=True)
}


def latest(texts: dict[str, str] | None = None, **values: float) -> Latest:
    found = Latest()
    found.grow(len(TAGS))
    told = tuple(
        Text(NAMED[name], 1, text, Quality.GOOD, 0)
        for name, text in (texts or {}).items()
    )
    batch = batch_of(
        [NAMED[name] for name in values],
        list(values.values()),
        source_time_ns=1,
        receive_time_ns=1,
        texts=told,
    )
    found.take(batch, now_s=0.0)
    return found


def test_before_anything_was_judged_there_is_nothing_to_say() -> None:
    assert Explaining(latest(), NUMBERS).of("P-101") is None
    assert Explaining(latest(anomaly_score=2.0), NUMBERS).of("Q") is None


def test_an_explanation_comes_with_the_remaining_life() -> None:
    told = Explanation(
        "P-101", 17, "running", 2.0, 1.0, (Contribution("P-101/flow", 0.7),)
    )
    values = {"anomaly_score": 2.5, "remaining_useful_life_h": 90.0}
    found = Explaining(latest({"explanation": told.text()}, **values), NUMBERS)
    said = found.of("P-101")
    assert said is not None
    assert (said["since_ns"], said["score"], said["life_h"]) == (17, 2.5, 90.0)
    assert said["life_low_h"] is None
    assert said["tags"][0]["tag"] == "P-101/flow"


def test_without_one_the_tag_that_contributes_most_is_told() -> None:
    found = Explaining(
        latest(
            {"anomaly_score": "P-101/flow"}, anomaly_score=2.0, health_index=math.nan
        ),
        NUMBERS,
    ).of("P-101")
    assert found is not None
    assert [each["tag"] for each in found["tags"]] == ["P-101/flow"]
    assert (found["since_ns"], found["health_index"]) == (None, None)
