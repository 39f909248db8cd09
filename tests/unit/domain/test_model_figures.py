"""A figure of a model travels under a name that is a tag's, and is read from it."""

from __future__ import annotations

import pytest

from appliance.domain.model_figures import ModelFigure, figure_of_tag
from appliance.domain.tag import InvalidTagIdError, asset_of


def test_a_name_is_a_tag_of_the_asset_and_comes_back() -> None:
    figure = ModelFigure("[P-101]", "20261121T191409Z", "took_ms_p99")
    assert figure.tag == "[P-101]/model_20261121T191409Z/took_ms_p99"
    assert asset_of(figure.tag) == "[P-101]"
    assert figure_of_tag(figure.tag) == figure


@pytest.mark.parametrize(
    "tag",
    [
        "P-101/flow",
        "P-101/DE/vibration_rms",
        "P-101/model_/x",
        "P-101/model_v1",
        "P-101/model_v1/a/b",
        "/model_v1/x",
        "P-101/the_model_v1/x",
    ],
)
def test_other_tags_are_none(tag: str) -> None:
    assert figure_of_tag(tag) is None


def test_a_name_that_is_no_tag_is_refused() -> None:
    with pytest.raises(InvalidTagIdError):
        _ = ModelFigure("P-101", "v" * 200, "x").tag
