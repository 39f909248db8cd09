from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.health import (
    Contribution,
    Explanation,
    LikelyFault,
    PastEpisode,
    SensorFinding,
    derived_tags,
    explanation_of,
)

WHOLE = Explanation(
    asset="P-101",
    since_ns=1_800_000_000_123_456_789,
    mode="running",
    score=2.25,
    limit=1.0,
    tags=(Contribution("P-101/DE/vibration_rms", 0.75, "mean", "up"),),
    likely=(LikelyFault("inner_race", 0.9, "BPFI line 14 dB over its surroundings"),),
    sensor=(SensorFinding("P-101/flow", "stuck", "the same value for 90 s"),),
    similar=(PastEpisode(1_700_000_000_000_000_000, 0.97, "bearing replaced"),),
)


def test_an_explanation_comes_back_from_its_text_as_it_was() -> None:
    assert explanation_of(WHOLE.text()) == WHOLE


def test_a_bare_explanation_needs_no_lists() -> None:
    bare = Explanation("P-101", 5, "unknown", 1.5, 1.0)
    assert explanation_of(bare.text()) == bare


def test_a_score_that_is_no_number_is_null_in_json_and_comes_back_as_nan() -> None:
    text = replace(WHOLE, score=math.nan).text()
    assert json.loads(text)["score"] is None
    found = explanation_of(text)
    assert found is not None
    assert math.isnan(found.score)


def test_numbers_are_told_with_four_digits() -> None:
    assert '"score":1.235' in replace(WHOLE, score=1.23456789).text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P-101/DE/vibration_rms",
        "null",
        "[]",
        "{}",
        '{"asset":"P-101","since_ns":1,"mode":"","score":"high","limit":1}',
        '{"asset":"P-101","since_ns":1,"mode":"","score":true,"limit":1}',
        '{"asset":"P-101","since_ns":Infinity,"mode":"","score":1,"limit":1}',
        '{"asset":"P","since_ns":1,"mode":"","score":1,"limit":1,"tags":[{"share":1}]}',
        '{"asset":"P","since_ns":1,"mode":"","score":1,"limit":1,"likely":[7]}',
    ],
)
def test_what_is_no_explanation_is_none(text: str) -> None:
    assert explanation_of(text) is None


def test_what_a_newer_writer_adds_is_passed_over() -> None:
    told = json.loads(WHOLE.text())
    told["weather"] = "fine"
    told["tags"][0]["colour"] = "red"
    assert explanation_of(json.dumps(told)) == WHOLE


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    found = explanation_of(text)
    assert found is None or isinstance(found, Explanation)


def test_every_asset_has_a_tag_for_its_explanation() -> None:
    assert "P-101/explanation" in {tag.id for tag in derived_tags("P-101")}
