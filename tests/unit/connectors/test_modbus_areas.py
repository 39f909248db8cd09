"""Addresses are found with few questions, and none is invented."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.areas import Surveyor


@dataclass
class Device:
    """Which addresses there are, and how many may be asked at once."""

    areas: list[range]
    at_once: int = 125
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def gives(self, address: int, count: int) -> bool:
        self.asked.append((address, count))
        assert count >= 1
        block = range(address, address + count)
        return count <= self.at_once and any(
            block[0] in area and block[-1] in area for area in self.areas
        )


def survey(
    device: Device, *, most: int = 10_000, within: range | None = None
) -> Surveyor:
    surveyor = Surveyor(device.gives, longest=125, most=most, within=within)
    asyncio.run(surveyor.survey())
    return surveyor


def found(surveyor: Surveyor) -> list[tuple[int, int]]:
    return [(area.address, area.end) for area in surveyor.areas]


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=3),
    st.integers(1, 125),
)
def test_areas_around_seeds_are_found_to_the_address(
    counts: list[int], at_once: int
) -> None:
    starts = [0, 1024, 40_000][: len(counts)]
    areas = [range(s, s + n) for s, n in zip(starts, counts, strict=True)]
    device = Device(areas, at_once)
    surveyor = survey(device)
    assert found(surveyor) == [(area.start, area.stop) for area in areas]


@given(st.integers(100, 128), st.integers(129, 140))
def test_an_area_that_begins_between_seeds_is_followed_downwards(
    low: int, high: int
) -> None:
    assert found(survey(Device([range(low, high)]))) == [(low, high)]


@pytest.mark.parametrize("gap", [1, 2, 3, 5, 9])
def test_a_small_hole_is_hopped_over(gap: int) -> None:
    first, second = range(40), range(40 + gap, 90)
    device = Device([first, second])
    surveyor = survey(device, within=range(100))
    assert sum(area.count for area in surveyor.areas) == len(first) + len(second)


@given(st.integers(2, 60))
def test_a_device_that_gives_few_at_once_is_found_out(at_once: int) -> None:
    device = Device([range(300)], at_once)
    surveyor = survey(device, within=range(1000))
    assert found(surveyor) == [(0, 300)]
    assert surveyor.longest <= at_once


def test_enough_is_enough_and_is_said() -> None:
    device = Device([range(65_536)])
    surveyor = survey(device, most=1000)
    assert sum(area.count for area in surveyor.areas) == 1000
    assert surveyor.is_cut
    assert len(device.asked) < 40


def test_nothing_is_asked_outside_of_what_was_wanted() -> None:
    device = Device([range(500)])
    surveyor = survey(device, within=range(100, 200))
    assert found(surveyor) == [(100, 200)]
    assert all(a >= 100 and a + n <= 200 for a, n in device.asked)


def test_an_empty_table_costs_one_question_a_seed() -> None:
    device = Device([])
    assert not survey(device).areas
    assert len(device.asked) == len(set(device.asked)) < 70


def test_a_plain_device_costs_few_questions() -> None:
    device = Device([range(50)])
    assert found(survey(device, within=range(100))) == [(0, 50)]
    assert len(device.asked) < 30
