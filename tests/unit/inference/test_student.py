from __future__ import annotations

import pytest

from appliance.inference.student import t_cdf, t_quantile


@pytest.mark.parametrize(
    ("probability", "freedom", "table"),
    [
        (0.90, 1, 3.078), (0.90, 2, 1.886), (0.90, 5, 1.476), (0.90, 30, 1.310),
        (0.995, 1, 63.657), (0.995, 2, 9.925), (0.995, 3, 5.841), (0.995, 10, 3.169),
        (0.95, 7, 1.895), (0.95, 120, 1.658),
    ],
)  # fmt: skip
def test_quantiles_are_those_of_the_printed_table(
    probability: float, freedom: int, table: float
) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(table, abs=6e-4)


def test_the_distribution_is_symmetric() -> None:
    for freedom in range(1, 12):
        assert t_cdf(0.0, freedom) == pytest.approx(0.5)
        assert t_cdf(1.7, freedom) + t_cdf(-1.7, freedom) == pytest.approx(1.0)


@pytest.mark.parametrize("probability", [0.4, 1.0])
def test_only_the_upper_half_is_asked(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        t_quantile(probability, 3)
