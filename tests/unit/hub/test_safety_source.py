"""A bypass stands as an alarm of safety's own, for as long as safety says so."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.domain.batch import batch_of
from appliance.domain.ports import Diagnosed, Source, SourceUnavailableError
from appliance.domain.tag import TagId
from appliance.hub.safety_source import BYPASSES, SafetySource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from appliance.domain.batch import Batch

pytestmark = pytest.mark.requirement("A10")
NUMBERS = {BYPASSES: 77, TagId("safety/trip"): 78}


class Link:
    """Safety's link, played: some batches, then it is lost."""

    name = "safety"
    groups: Mapping[str, tuple[TagId, ...]] = {"safety": tuple(NUMBERS)}

    def __init__(self, *batches: Batch) -> None:
        self._batches = batches

    @asynccontextmanager
    async def open(
        self, _numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        async def batches() -> AsyncIterator[Batch]:
            for batch in self._batches:
                yield batch
            raise SourceUnavailableError("gone")

        yield batches()


def told(tag: int, value: float) -> Batch:
    return batch_of([tag], [value], source_time_ns=1, receive_time_ns=2)


async def after(*batches: Batch) -> SafetySource:
    source = SafetySource(Link(*batches), NUMBERS)  # type: ignore[arg-type]  # its part
    with pytest.raises(SourceUnavailableError, match="gone"):
        async with source.open({}) as found:
            assert [each async for each in found] == list(batches)
    return source


async def test_a_bypass_is_an_alarm_of_high_priority_even_when_safety_is_lost() -> None:
    source = await after(told(77, 0.0), told(77, 2.0), told(78, 1.0))
    assert isinstance(source, Source)
    assert isinstance(source, Diagnosed)
    (bypass,) = source.diagnostics
    assert (bypass.key, bypass.priority) == ("bypass", "high")
    assert bypass.message.startswith("2 initiators are bypassed")
    assert bypass.tags == (BYPASSES,)
    assert (source.name, source.groups) == ("safety", Link.groups)


@pytest.mark.parametrize(
    "batches", [(), (told(77, 1.0), told(77, 0.0)), (told(5, 3.0),)]
)
async def test_without_a_bypass_nothing_stands(batches: tuple[Batch, ...]) -> None:
    assert (await after(*batches)).diagnostics == ()


async def test_one_is_told_as_one() -> None:
    (bypass,) = (await after(told(77, 1.0))).diagnostics
    assert bypass.message.startswith("1 initiator is bypassed")
