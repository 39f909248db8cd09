"""Text for fixed columns."""

from __future__ import annotations

import math
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from appliance.dashboard import wording as w

HOSTILE = st.text(st.characters() | st.sampled_from("[]/\x1b\n泵é́👷‍"), max_size=60)


@given(HOSTILE, st.integers(0, 50))
def test_a_fitted_text_is_exactly_as_wide_as_its_place(text: str, width: int) -> None:
    for fitted in (w.fit(text, width), w.right(text, width)):
        assert cell_len(fitted) == width
        assert fitted.isprintable()


@given(HOSTILE, st.integers(2, 50))
def test_no_wrapped_line_is_wider_than_its_place(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in w.wrapped(text, width))


@given(st.text("abcdefgh ", max_size=200), st.integers(4, 40))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    joined = "".join(w.wrapped(text, width)).replace(" ", "")
    assert joined == text.replace(" ", "")


def test_markup_and_escapes_stay_literal_text() -> None:
    assert w.fit("[red]P-101[/red]", 20) == "[red]P-101[/red]    "
    assert w.plain("a\x1b[31mb\nc") == "a�[31mb�c"


def test_a_cut_text_says_that_it_is_cut() -> None:
    assert w.fit("P-101/DE/vibration_rms", 8) == "P-101/D…"
    assert w.fit("abc", 1) == "…"
    assert w.right("abc", 2) == "a…"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "---"),
        (math.nan, "---"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (0.0, "0"),
        (1484.03, "1484"),
        (87.5, "87.50"),
        (0.0123, "0.0123"),
        (0.4, "0.4000"),
        (-3.14159, "-3.142"),
        (1e12, "1.000e+12"),
        (1e-9, "1.000e-09"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert w.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (math.nan, "never"),
        (-1.0, "0.0 s"),
        (0.34, "0.3 s"),
        (45.0, "45 s"),
        (600.0, "10 min"),
        (9000.0, "2 h"),
        (400_000.0, "5 d"),
    ],
)
def test_lengths_of_time(seconds: float | None, text: str) -> None:
    assert w.span(seconds) == text


@pytest.mark.parametrize(
    ("hours", "text"),
    [(None, "---"), (math.inf, "∞"), (4.13, "4.1 h"), (2400.0, "100 d")],
)
def test_hours_of_life(hours: float | None, text: str) -> None:
    assert w.hours(hours) == text


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (1484.03, 0.36, "1484"),
        (5.2345, 0.01, "5.23"),
        (87.55, 0.044, "87.5"),
        (-0.001, 0.01, "0.00"),
        (math.nan, 0.01, "---"),
        (1.0, 1e-12, "1.000000"),
    ],
)
def test_an_instrument_has_no_more_decimals_than_it_can_tell_apart(
    value: float, step: float, text: str
) -> None:
    assert w.decimals(value, step) == text


def test_sizes_and_times_of_day() -> None:
    assert [w.size(x) for x in (12, 12_300, 1.2e6, 3e9, 4e15)] == [
        "12.0 B",
        "12.3 kB",
        "1.20 MB",
        "3.00 GB",
        "4000 TB",
    ]
    assert w.clock_time(1_790_000_000_000_000_000, UTC) == "14:13:20"
    assert w.day_and_time(1_790_000_000_000_000_000, UTC) == "09-21 14:13:20"


def test_a_sparkline_keeps_gaps_and_does_not_make_news_of_noise() -> None:
    assert w.sparkline([1.0, math.nan, 8.0], 5) == "  ▁·█"
    assert w.sparkline([100.0, 100.1, 100.0], 3) == "▄▄▄"
    assert w.sparkline([1.0, 1.2], 2, least_span=10.0) == "▄▄"
    assert w.sparkline([math.nan], 2) == " ·"
    assert w.sparkline([], 2) == "  "
    assert w.sparkline([0.0, 0.0], 2) == "▄▄"
    assert w.sparkline([1.0] * 9, 2) == "▄▄"


def test_a_chart_has_a_column_per_value_and_shows_gaps_at_the_bottom() -> None:
    assert w.chart([0.0, 0.5, 1.0, math.nan, 9.0], 2, low=0.0, high=1.0) == [
        "  █ █",
        "▁██·█",
    ]
    assert w.chart([1.0], 1, low=0.0, high=0.0) == ["▁"]
