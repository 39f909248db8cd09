"""What is written as TOML is read back as it was."""

from __future__ import annotations

import tomllib
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.load import check_text
from appliance.runtime.drafts import HEADING, comment, one_line, pairs, table, value

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    texts,
)


@given(st.one_of(scalars, st.lists(scalars), st.dictionaries(st.just("key"), scalars)))
def test_a_value_comes_back(given_value: object) -> None:
    assert tomllib.loads(f"x = {value(given_value)}")["x"] == given_value


@given(st.text(st.characters(codec=None)))
def test_a_comment_holds_whatever_a_server_says(text: str) -> None:
    line = comment(text)
    assert tomllib.loads(f"{line}\nx = 1\n") == {"x": 1}
    assert one_line(text).isprintable()


def test_a_lone_surrogate_does_not_spoil_the_file() -> None:
    assert tomllib.loads(f"x = {value(chr(0xD800))}")["x"] == "?"


def test_what_toml_has_not_is_left_out_or_refused() -> None:
    assert pairs({"a": None, "b": PurePosixPath("/x")}) == ['b = "/x"']
    assert table("sources.tags", {"id": "a/b"}, many=True) == [
        "",
        "[[sources.tags]]",
        'id = "a/b"',
    ]
    assert table("site", {})[1] == "[site]"
    with pytest.raises(TypeError, match="no value of TOML"):
        value(object())


def test_the_heading_is_a_configuration() -> None:
    _, problems = check_text(HEADING)
    assert not problems
