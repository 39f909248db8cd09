from __future__ import annotations

import math

import pytest

from models.features.zones import Boundaries, SeverityClass


@pytest.mark.parametrize(
    ("given", "boundaries"),
    [
        (SeverityClass("20816-3", 22.0), Boundaries(1.4, 2.8, 4.5)),
        (SeverityClass("20816-3", 22.0, "flexible"), Boundaries(2.3, 4.5, 7.1)),
        (SeverityClass("20816-3", 500.0), Boundaries(2.3, 4.5, 7.1)),
        (SeverityClass("20816-3", 500.0, "flexible"), Boundaries(3.5, 7.1, 11.0)),
        (SeverityClass("10816-7", 22.0, category="I"), Boundaries(2.5, 4.0, 6.6)),
        (SeverityClass("10816-7", 22.0), Boundaries(3.2, 5.1, 8.5)),
        (SeverityClass("10816-7", 250.0, category="I"), Boundaries(3.5, 5.0, 7.6)),
        (SeverityClass("10816-7", 250.0), Boundaries(4.2, 6.1, 9.5)),
    ],
    ids=str,
)
def test_each_class_has_the_boundaries_of_its_table(
    given: SeverityClass, boundaries: Boundaries
) -> None:
    assert given.boundaries == boundaries


@pytest.mark.parametrize(
    ("velocity_mm_s", "zone"),
    [(0.0, "A"), (1.4, "A"), (1.5, "B"), (2.9, "C"), (4.6, "D"), (math.nan, "")],
)
def test_a_boundary_belongs_to_the_better_zone(velocity_mm_s: float, zone: str) -> None:
    assert SeverityClass("20816-3", 22.0).zone(velocity_mm_s) == zone


def test_a_class_is_quoted_with_its_group_and_support_or_category() -> None:
    assert str(SeverityClass("20816-3", 22.0)) == "ISO 20816-3, group 2, rigid support"
    assert str(SeverityClass("10816-7", 22.0, category="I")) == (
        "ISO 10816-7, category I, up to 200 kW"
    )
