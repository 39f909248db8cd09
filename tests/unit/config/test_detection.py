"""What a machine's score is made of: as configured, and as the trainer knows it."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from appliance.config.assets import DetectionSettings, Part, Rhythm
from models.features.rhythm import RHYTHMS
from models.parts import ALL_PARTS, DEFAULT_PARTS


def test_the_parts_are_those_the_trainer_knows() -> None:
    assert get_args(Part) == ALL_PARTS
    assert DetectionSettings().parts == DEFAULT_PARTS


def test_further_parts_may_be_chosen() -> None:
    found = DetectionSettings.model_validate({"parts": ["short", "forest"]})
    assert found.parts == ("short", "forest")


@pytest.mark.parametrize("parts", [[], ["oracle"], ["t2", "t2"]])
def test_a_choice_that_is_none_is_refused(parts: list[str]) -> None:
    with pytest.raises(ValidationError, match="parts"):
        DetectionSettings.model_validate({"parts": parts})


def test_the_swings_that_may_be_measured_are_those_there_are() -> None:
    assert get_args(Rhythm) == RHYTHMS
    assert DetectionSettings().features == ()
    found = DetectionSettings.model_validate({"features": ["dominant_hz"]})
    assert found.features == ("dominant_hz",)


@pytest.mark.parametrize("features", [["loudness"], ["crossing_hz", "crossing_hz"]])
def test_swings_that_are_none_are_refused(features: list[str]) -> None:
    with pytest.raises(ValidationError, match="features"):
        DetectionSettings.model_validate({"features": features})
