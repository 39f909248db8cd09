"""The parts of the bench, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.safety.bench import (
    FakeClock,
    FakePlant,
    a_bench,
    a_row,
    a_sample,
    an_element,
)

if TYPE_CHECKING:
    from tests.unit.safety.bench import MakeBench, MakeElement, MakeRow, MakeSample


@pytest.fixture
def row() -> MakeRow:
    return a_row


@pytest.fixture
def element() -> MakeElement:
    return an_element


@pytest.fixture
def sample() -> MakeSample:
    return a_sample


@pytest.fixture
def bench() -> MakeBench:
    return a_bench


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plant() -> FakePlant:
    return FakePlant()
