"""What every connector must do that serves safety."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from appliance.domain.ports import OutputFailedError
from appliance.domain.sample import Quality
from appliance.runtime.plugins import load_connector

if TYPE_CHECKING:
    from appliance.domain.ports import Clock, Output, Reader
    from appliance.domain.sample import Sample
    from tests.contract.network_rigs import NetworkRig

PATIENT_S = 5.0
DEADLINE_S = 0.1
SLACK_S = 0.4
"""How much later than its deadline a busy test machine may resume us."""


def reader_of(rig: NetworkRig, clock: Clock) -> Reader:
    return load_connector(rig.connector).reader(rig.settings, clock)


def output_of(rig: NetworkRig, clock: Clock) -> Output:
    return load_connector(rig.connector).output(rig.settings, clock)


def quality_of(samples: tuple[Sample, ...]) -> dict[str, Quality]:
    return {str(sample.tag): sample.quality for sample in samples}


def all_bad(samples: tuple[Sample, ...]) -> bool:
    return all(sample.quality is Quality.BAD for sample in samples)


async def timed_read(reader: Reader, clock: Clock) -> tuple[tuple[Sample, ...], float]:
    began_s = clock.now_s()
    samples = await reader.read(DEADLINE_S)
    return samples, clock.now_s() - began_s


async def good_again(reader: Reader) -> bool:
    """Read a bounded number of times until something is good."""
    for _ in range(50):
        if not all_bad(await reader.read(DEADLINE_S)):
            return True
        await asyncio.sleep(0)
    return False


async def test_one_sample_per_tag_in_order(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    reader = reader_of(safety_rig, clock)
    async with reader.open():
        samples = await reader.read(PATIENT_S)
    assert [s.tag for s in samples] == [t.id for t in safety_rig.settings.tag_table()]
    found = quality_of(samples)
    numbers = {"rig/level", "rig/running"}
    assert {tag for tag in numbers if found[tag] is Quality.GOOD} == numbers
    assert all(found[tag] is Quality.BAD for tag in safety_rig.bad)
    level = next(sample for sample in samples if sample.tag == "rig/level")
    assert level.value == pytest.approx(85.5)
    assert 0 < level.source_time_ns <= level.receive_time_ns


async def test_a_device_that_is_away_gives_bad_samples_in_time(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    await safety_rig.cut()
    reader = reader_of(safety_rig, clock)
    async with reader.open():
        for _ in range(3):
            samples, took_s = await timed_read(reader, clock)
            assert all_bad(samples)
            assert took_s < DEADLINE_S + SLACK_S
        await safety_rig.mend()
        assert await good_again(reader)


async def test_a_device_that_hangs_gives_bad_samples_in_time(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    reader = reader_of(safety_rig, clock)
    async with reader.open():
        assert not all_bad(await reader.read(PATIENT_S))
        safety_rig.gate.hold()
        for _ in range(3):
            samples, took_s = await timed_read(reader, clock)
            assert all_bad(samples)
            assert took_s < DEADLINE_S + SLACK_S
        safety_rig.gate.release()
        assert await good_again(reader)


async def test_a_reader_survives_the_loss_of_its_connection(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    reader = reader_of(safety_rig, clock)
    async with reader.open():
        assert not all_bad(await reader.read(PATIENT_S))
        await safety_rig.cut()
        assert all_bad(await reader.read(DEADLINE_S))
        await safety_rig.mend()
        assert await good_again(reader)


async def test_what_is_written_is_read_back(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        for value in (7, 0, 65_535):
            await output.write(safety_rig.point, value, deadline_s=PATIENT_S)


async def test_what_reads_back_differently_is_not_proven(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        with pytest.raises(OutputFailedError, match="read back"):
            await output.write(safety_rig.stubborn_point, 5, deadline_s=PATIENT_S)
        await output.write(safety_rig.stubborn_point, 0, deadline_s=PATIENT_S)


async def test_writes_at_the_same_time_do_not_disturb_each_other(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open(), asyncio.TaskGroup() as writes:
        for value in range(10):
            writes.create_task(
                output.write(safety_rig.point, value, deadline_s=PATIENT_S)
            )


async def test_a_refused_write_fails(safety_rig: NetworkRig, clock: Clock) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        with pytest.raises(OutputFailedError, match="refused"):
            await output.write(safety_rig.refused_point, 1, deadline_s=PATIENT_S)
        await output.write(safety_rig.point, 1, deadline_s=PATIENT_S)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 65_536.0])
async def test_a_value_that_does_not_fit_is_not_written(
    safety_rig: NetworkRig, clock: Clock, value: float
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        with pytest.raises(OutputFailedError, match=safety_rig.point):
            await output.write(safety_rig.point, value, deadline_s=PATIENT_S)


async def test_what_is_not_listed_cannot_be_written(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        with pytest.raises(OutputFailedError, match="no point"):
            await output.write("rig/level", 1, deadline_s=PATIENT_S)


async def test_a_write_to_a_device_that_is_away_fails_and_comes_back(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        await output.write(safety_rig.point, 1, deadline_s=PATIENT_S)
        await safety_rig.cut()
        with pytest.raises(OutputFailedError):
            await output.write(safety_rig.point, 2, deadline_s=DEADLINE_S)
        await safety_rig.mend()
        await output.write(safety_rig.point, 3, deadline_s=PATIENT_S)


async def test_a_write_to_a_device_that_hangs_fails_in_time(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    output = output_of(safety_rig, clock)
    async with output.open():
        await output.write(safety_rig.point, 1, deadline_s=PATIENT_S)
        safety_rig.gate.hold()
        began_s = clock.now_s()
        with pytest.raises(OutputFailedError, match="late"):
            await output.write(safety_rig.point, 2, deadline_s=DEADLINE_S)
        assert clock.now_s() - began_s < DEADLINE_S + SLACK_S
        safety_rig.gate.release()
        await output.write(safety_rig.point, 3, deadline_s=PATIENT_S)


async def test_what_is_not_open_reads_bad_and_writes_nothing(
    safety_rig: NetworkRig, clock: Clock
) -> None:
    assert all_bad(await reader_of(safety_rig, clock).read(DEADLINE_S))
    with pytest.raises(OutputFailedError):
        await output_of(safety_rig, clock).write(
            safety_rig.point, 1, deadline_s=DEADLINE_S
        )
