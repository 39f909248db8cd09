"""The parts of the bench, by name."""

from __future__ import annotations

import sys
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
    from collections.abc import Iterator

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
def well() -> str:
    """A whole configuration with one initiator and one element."""
    return """\
config_version = 1
[site]
id = "plant-7"
gateway = "gw-1"
[safety]
[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
tags = [{ id = "P-101/DE/vibration_rms", table = "input", address = 4 }]
points = [{ name = "permit", table = "coil", address = 0 }]
[[safety.initiators]]
id = "high vibration"
channels = ["P-101/DE/vibration_rms"]
setpoint = 7.1
cause = "Bearing damage"
consequence = "Seizure"
action = "Inspect the bearing"
[[safety.elements]]
id = "motor"
output = "plc"
point = "permit"
[safety.matrix]
"high vibration" = ["motor"]
"""


@pytest.fixture
def untraced() -> Iterator[None]:
    """Not measured: long walks through lines that short ones have gone through."""
    tracing = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracing)
