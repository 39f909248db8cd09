"""What every source must do, whatever it talks to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.domain.event import Gap
from appliance.domain.ports import Source, SourceUnavailableError
from appliance.domain.sample import Quality, quality_of_status
from appliance.runtime.plugins import load_connector
from tests.contract.network_rigs import NetworkRig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from tests.contract.rigs import Rig

A_DAY_NS = 86_400 * 10**9


def source_of(rig: Rig, clock: Clock) -> Source:
    return load_connector(rig.connector).source(rig.settings, clock)


def numbers_of(source: Source) -> dict[TagId, int]:
    tags = [tag for group in source.groups.values() for tag in group]
    return {tag: 100 + row for row, tag in enumerate(tags)}


def qualities(batch: Batch) -> dict[int, Quality]:
    """Return the quality of every row, waveform and text, by tag number."""
    found = {
        int(tag): Quality(int(quality))
        for tag, quality in zip(batch.tag, batch.quality, strict=True)
    }
    found |= {each.tag: each.quality for each in batch.waveforms}
    return found | {each.tag: each.quality for each in batch.texts}


async def all_seen(
    batches: AsyncIterator[Batch | Gap], numbers: Mapping[TagId, int]
) -> dict[str, Quality]:
    """Take batches until every tag has shown itself; return the last qualities."""
    names = {number: tag for tag, number in numbers.items()}
    seen: dict[str, Quality] = {}
    async with asyncio.timeout(60):
        async for batch in batches:
            if isinstance(batch, Gap):
                continue
            seen |= {names[number]: found for number, found in qualities(batch).items()}
            if len(seen) == len(numbers):
                break
    return seen


async def read_until_lost(
    rig: Rig, clock: Clock, lose: Callable[[], Awaitable[None]]
) -> None:
    """Read, lose the other side, and read on."""
    source = source_of(rig, clock)
    async with source.open(numbers_of(source)) as batches:
        await anext(batches)
        await lose()
        async with asyncio.timeout(rig.lost_within_s):
            async for _ in batches:
                pass


async def first_batch(source: Source) -> Batch:
    async with asyncio.timeout(60), source.open(numbers_of(source)) as batches:
        first = await anext(batches)
        assert not isinstance(first, Gap)
        return first


async def consume_badly(source: Source) -> None:
    async with source.open(numbers_of(source)) as batches, asyncio.timeout(60):
        async for _ in batches:
            raise ZeroDivisionError


async def test_it_is_a_source_and_names_its_tags(rig: Rig, clock: Clock) -> None:
    source = source_of(rig, clock)
    assert isinstance(source, Source)
    assert source.name == rig.settings.name
    tags = [tag for group in source.groups.values() for tag in group]
    assert sorted(tags) == sorted(tag.id for tag in rig.settings.tag_table())
    assert all(group.startswith(f"{source.name}.") for group in source.groups)


async def test_every_tag_shows_itself_good_or_bad(rig: Rig, clock: Clock) -> None:
    source = source_of(rig, clock)
    numbers = numbers_of(source)
    async with source.open(numbers) as batches:
        seen = await all_seen(batches, numbers)
    assert {tag for tag, quality in seen.items() if quality is Quality.GOOD} == rig.good
    assert {tag for tag, quality in seen.items() if quality is Quality.BAD} == rig.bad


async def test_batches_keep_their_promises(rig: Rig, clock: Clock) -> None:
    source = source_of(rig, clock)
    numbers = numbers_of(source)
    async with source.open(numbers) as batches, asyncio.timeout(60):
        confirmed: set[str] = set()
        async for batch in batches:
            if isinstance(batch, Gap):
                continue
            assert batch.group in source.groups
            assert batch.tag.dtype == np.uint32
            assert batch.value.dtype == np.float64
            assert batch.source_time_ns.dtype == np.int64
            assert set(batch.tag.tolist()) <= set(numbers.values())
            assert (batch.source_time_ns <= batch.receive_time_ns + A_DAY_NS).all()
            assert (batch.source_time_ns > 0).all()
            assert abs(batch.receive_time_ns - clock.utc_ns()) < 10 * 10**9
            for quality, status in zip(batch.quality, batch.status, strict=True):
                assert quality == quality_of_status(int(status))
            good = batch.value[batch.quality == Quality.GOOD]
            assert np.isfinite(good).all()
            confirmed |= {batch.group} if batch.confirms else set()
            if confirmed == set(source.groups):
                break
    assert confirmed == set(source.groups)


async def test_a_source_that_is_closed_early_leaves_nothing(
    rig: Rig, clock: Clock
) -> None:
    source = source_of(rig, clock)
    before = asyncio.all_tasks()
    async with source.open(numbers_of(source)) as batches, asyncio.timeout(60):
        await anext(batches)
    left = asyncio.all_tasks() - before
    assert {task for task in left if task.get_name().startswith("source.")} == set()


async def test_a_loss_is_raised(rig: Rig, clock: Clock) -> None:
    if rig.finite:
        pytest.skip("a file that is being read cannot be lost")
    with pytest.raises(SourceUnavailableError):
        await read_until_lost(rig, clock, rig.cut)


async def test_silence_on_an_open_connection_is_a_loss(rig: Rig, clock: Clock) -> None:
    if not isinstance(rig, NetworkRig):
        pytest.skip("there is no connection")
    with pytest.raises(SourceUnavailableError):
        await read_until_lost(rig, clock, rig.silence)


async def test_what_ends_ends_without_a_loss(rig: Rig, clock: Clock) -> None:
    if not rig.finite:
        pytest.skip("it never ends")
    source = source_of(rig, clock)
    async with source.open(numbers_of(source)) as batches, asyncio.timeout(60):
        taken = [each async for each in batches if not isinstance(each, Gap)]
    assert sum(batch.sample_count for batch in taken) > 0


async def test_opening_what_is_away_raises(rig: Rig, clock: Clock) -> None:
    source = source_of(rig, clock)
    await rig.cut()
    with pytest.raises(SourceUnavailableError):
        await first_batch(source)


async def test_it_comes_back_when_it_is_opened_again(rig: Rig, clock: Clock) -> None:
    source = source_of(rig, clock)
    numbers = numbers_of(source)
    await rig.cut()
    with pytest.raises(SourceUnavailableError):
        await first_batch(source)
    await rig.mend()
    for _ in range(2):
        async with source.open(numbers) as batches:
            seen = await all_seen(batches, numbers)
        assert {
            tag for tag, quality in seen.items() if quality is Quality.GOOD
        } == rig.good


async def test_an_error_of_the_consumer_passes_unchanged(
    rig: Rig, clock: Clock
) -> None:
    source = source_of(rig, clock)
    with pytest.raises(ZeroDivisionError):
        await consume_badly(source)
