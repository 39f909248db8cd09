"""Names that are made of whatever a server calls its nodes are always legal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.naming import legal_tag_id, literal_head, matches, unique
from appliance.domain.statuses import status_name
from appliance.domain.tag import TAG_ID_MAX_BYTES, TagId, parse_tag_id

anything = st.text(st.characters(codec=None), max_size=80)


@given(st.lists(anything, max_size=6), anything)
def test_every_path_becomes_a_legal_name(parts: list[str], asset: str) -> None:
    name = legal_tag_id(parts, asset=asset)
    assert parse_tag_id(name) == name


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["P-101", "motor/speed"], "P-101/motor/speed"),
        (["[P-101]", "flow"], "[P-101]/flow"),
        (["泵-1", "流量"], "泵-1/流量"),
        (["a+b", "c#d"], "a_b/c_d"),
        (["/", "x", " "], "skid/x"),
        ([], "skid/skid"),
    ],
)
def test_what_may_stay_stays(parts: list[str], name: str) -> None:
    assert legal_tag_id(parts, asset="skid") == name


@pytest.mark.parametrize(
    ("parts", "asset", "name"),
    [
        (["level"], "hall/skid", "hall/skid/level"),
        (["level"], "/", "_/level"),
        ([], "/skid/", "skid/skid"),
        ([], "", "_/_"),
    ],
)
def test_an_asset_is_divided_like_every_other_name(
    parts: list[str], asset: str, name: str
) -> None:
    assert legal_tag_id(parts, asset=asset) == name


def test_a_long_path_loses_its_middle_and_a_long_name_its_end() -> None:
    assert legal_tag_id(["P-101", "m" * 120, "flow"], asset="x") == "P-101/flow"
    name = legal_tag_id(["泵" * 60, "流" * 60], asset="x")
    assert len(name.encode()) <= TAG_ID_MAX_BYTES
    assert name.startswith("泵泵")


@given(st.lists(st.sampled_from(["a/b", "a/b_2", "a/b_3", "a/" + "c" * 126])))
def test_names_are_unique_and_in_order(names: list[str]) -> None:
    found = unique([TagId(name) for name in names])
    assert len(found) == len(names) == len(set(found))
    for name, given_to in zip(names, found, strict=True):
        assert given_to.startswith(name[:120])
        assert parse_tag_id(given_to)


def test_a_name_that_stands_alone_keeps_itself() -> None:
    names = [TagId("a/b"), TagId("a/b"), TagId("a/b_2")]
    assert unique(names) == ("a/b", "a/b_3", "a/b_2")


@pytest.mark.parametrize(
    ("glob", "head", "yes", "no"),
    [
        ("P-101/*", "P-101/", "P-101/DE/x", "P-1010/x"),
        ("[P-101]/?", "[P-101]/", "[P-101]/x", "P/x"),
        ("*_rms", "", "P/v_rms", "P/v_rms_B"),
        ("a.b/c", "a.b/c", "a.b/c", "axb/c"),
    ],
)
def test_only_star_and_question_mark_are_wild(
    glob: str, head: str, yes: str, no: str
) -> None:
    assert matches(yes, glob)
    assert not matches(no, glob)
    assert literal_head(glob) == head


def test_a_status_has_a_name_or_a_number() -> None:
    assert status_name(0) == "Good"
    assert status_name(0x8034_0000) == "BadNodeIdUnknown"
    assert status_name(0x0000_0480) == "Good"
    assert status_name(0x40FE_0000) == "Uncertain 0x40FE0000"
