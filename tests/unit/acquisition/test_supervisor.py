"""Loss and return of a source: told once, shown everywhere, with growing patience."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.acquisition.supervisor import SourceState, supervise
from appliance.domain.batch import batch_of
from appliance.domain.event import Gap
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION, Quality
from appliance.domain.tag import TagId
from appliance.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from appliance.domain.batch import Batch

FLOW, LEVEL, SPEED = TagId("P-101/flow"), TagId("T-101/level"), TagId("P-101/speed")
NUMBERS = {FLOW: 1, LEVEL: 2, SPEED: 3}
NOW_NS = 1_000


class StoppedError(Exception):
    """The clock has had enough naps: the end of a test."""


class NappingClock:
    def __init__(self, naps: int) -> None:
        self.naps_s: list[float] = []
        self._left = naps

    def utc_ns(self) -> int:
        return NOW_NS

    def now_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.naps_s.append(seconds)
        self._left -= 1
        if self._left == 0:
            raise StoppedError


HOLE = Gap("acquisition", "the server has no history", 10, 20, -1)

Part = int | Gap | Exception
"""A batch with this value, a declared gap, or what is raised."""


class FlakySource:
    """Each connection yields the parts of one of `lives`; the last one repeats."""

    name = "plc"
    groups: Mapping[str, Sequence[TagId]] = {
        "plc.fast": [FLOW, LEVEL],
        "plc.slow": [SPEED],
    }

    def __init__(self, *lives: Sequence[Part], refuse: Exception | None = None) -> None:
        self._lives = list(lives)
        self._refuse = refuse
        self.closed = 0

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch | Gap]]:
        if self._refuse is not None:
            raise self._refuse
        life = self._lives.pop(0) if len(self._lives) > 1 else self._lives[0]
        try:
            yield self._parts(life, numbers)
        finally:
            self.closed += 1

    async def _parts(
        self, life: Sequence[Part], numbers: Mapping[TagId, int]
    ) -> AsyncIterator[Batch | Gap]:
        for part in life:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, Gap):
                yield part
                continue
            yield batch_of([numbers[FLOW]], [part], source_time_ns=0, receive_time_ns=0)


class Run:
    """Supervise a source until the clock has had `naps`; everything is noted."""

    def __init__(self, source: FlakySource, *, naps: int) -> None:
        self.source = source
        self.clock = NappingClock(naps)
        self.batches: list[Batch] = []
        self.changes: list[SourceState] = []
        self.road: list[float | Gap | str] = []

    def deliver(self, batch: Batch) -> None:
        self.batches.append(batch)
        bad = batch.quality[0] == Quality.BAD
        self.road.append("bad" if bad else float(batch.value[0]))

    def declare(self, source: str, gap: Gap) -> None:
        assert source == "plc"
        self.road.append(gap)

    async def to_the_end(self) -> None:
        await supervise(
            self.source,
            NUMBERS,
            self.deliver,
            declare=self.declare,
            clock=self.clock,
            backoff=Backoff(0.5, 4.0, jitter=0.0, spread=lambda: 0.0),
            on_change=lambda _name, state, _reason: self.changes.append(state),
        )

    async def until_stopped(self) -> None:
        with pytest.raises(StoppedError):
            await self.to_the_end()

    @property
    def seen(self) -> list[float | str]:
        return [each for each in self.road if not isinstance(each, Gap)]


def lost() -> SourceUnavailableError:
    return SourceUnavailableError("gone")


async def test_a_flaky_source_is_good_bad_good_bad(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    run = Run(FlakySource([1, lost()], [lost()], [lost()], [2, lost()]), naps=5)
    await run.until_stopped()
    assert run.seen == [1.0, "bad", "bad", 2.0, "bad", "bad", 2.0, "bad", "bad"]
    assert run.clock.naps_s == [0.5, 1.0, 2.0, 0.5, 0.5]
    words = [record.message for record in caplog.records]
    assert words[:4] == [
        "source plc is connected",
        "source plc is lost: gone",
        "source plc is back",
        "source plc is lost: gone",
    ]


async def test_a_loss_gives_each_tag_of_each_group_one_bad_row() -> None:
    run = Run(FlakySource([lost()]), naps=3)
    await run.until_stopped()
    fast, slow = run.batches
    assert (fast.group, fast.tag.tolist()) == ("plc.fast", [1, 2])
    assert (slow.group, slow.tag.tolist()) == ("plc.slow", [3])
    for batch in (fast, slow):
        assert not batch.confirms
        assert set(batch.status.tolist()) == {STATUS_BAD_NO_COMMUNICATION}
        assert batch.receive_time_ns == NOW_NS


async def test_patience_grows_while_a_source_connects_without_a_batch() -> None:
    run = Run(FlakySource([1, lost()], [lost()]), naps=5)
    await run.until_stopped()
    assert run.clock.naps_s == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert run.source.closed == 5


async def test_a_source_that_refuses_is_lost_from_the_start() -> None:
    run = Run(FlakySource([], refuse=lost()), naps=2)
    await run.until_stopped()
    assert run.changes == [SourceState.LOST]
    assert run.seen == ["bad", "bad"]


async def test_a_mistake_in_a_source_is_a_loss_with_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run(FlakySource([1, ZeroDivisionError("oh")], [2, lost()]), naps=2)
    await run.until_stopped()
    assert run.changes == [
        SourceState.CONNECTED,
        SourceState.FAULTY,
        SourceState.CONNECTED,
        SourceState.LOST,
    ]
    faulty = next(r for r in caplog.records if "faulty" in r.message)
    assert faulty.exc_info is not None
    assert run.seen == [1.0, "bad", "bad", 2.0, "bad", "bad"]


async def test_a_faulty_source_that_is_then_lost_is_told_but_not_shown_twice() -> None:
    run = Run(FlakySource([ZeroDivisionError("oh")], [lost()]), naps=3)
    await run.until_stopped()
    assert run.changes == [SourceState.FAULTY, SourceState.LOST]
    assert run.seen == ["bad", "bad"]


async def test_a_recording_that_ends_is_not_lost_and_not_read_again() -> None:
    run = Run(FlakySource([1, 2]), naps=1)
    await run.to_the_end()
    assert run.seen == [1.0, 2.0]
    assert run.changes == [SourceState.CONNECTED, SourceState.ENDED]
    assert run.clock.naps_s == []


async def test_a_gap_goes_its_own_way_in_the_order_of_what_was_read() -> None:
    run = Run(FlakySource([1, HOLE, 2, lost()]), naps=1)
    await run.until_stopped()
    assert run.road == [1.0, HOLE, 2.0, "bad", "bad"]


async def test_a_gap_alone_is_no_sign_of_life_and_earns_no_patience() -> None:
    run = Run(FlakySource([HOLE, lost()]), naps=4)
    await run.until_stopped()
    assert run.changes == [SourceState.LOST]
    assert run.clock.naps_s == [0.5, 1.0, 2.0, 4.0]
    assert run.road.count(HOLE) == 4
