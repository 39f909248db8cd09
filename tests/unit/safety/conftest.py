"""The parts of the bench, by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.support.matrix import ONE_BY_ONE
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


@pytest.fixture
def on_the_plant(monkeypatch: pytest.MonkeyPatch, plant: FakePlant) -> None:
    """Let the process find the plant in memory behind every connector."""
    card = SimpleNamespace(
        reader=lambda _settings, _clock: plant, output=lambda _settings, _clock: plant
    )
    process = "appliance.safety.process"
    monkeypatch.setattr(f"{process}.load_connector", lambda _name: card)
    monkeypatch.setattr(f"{process}.settle_heap", lambda: None)


@pytest.fixture
def well() -> str:
    """A whole configuration with one initiator and one element."""
    return ONE_BY_ONE
