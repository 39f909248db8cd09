"""The length of a window where nobody says."""

from __future__ import annotations

import pytest

from appliance.inference.length import window_rows


@pytest.mark.parametrize(
    ("period_s", "train_rows", "rows"),
    [
        (1.0, 400, 50),
        (180.0, 500, 50),
        (300.0, 600, 36),
        (600.0, 600, 18),
        (3600.0, 240, 16),
        (86_400.0, 600, 16),
        (300.0, 120, 20),
        (3600.0, 30, 5),
        (1.0, 3, 1),
    ],
)
def test_a_window_is_short_against_the_day_and_the_training(
    period_s: float, train_rows: int, rows: int
) -> None:
    assert window_rows(period_s, train_rows) == rows
