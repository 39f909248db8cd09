from __future__ import annotations

import asyncio

import pytest

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.lifeline import Lifeline
from appliance.runtime.tasks import companions


class Line:
    """A connection that remembers its end."""

    def __init__(self) -> None:
        self.ended = ""

    def close(self) -> None:
        self.ended = self.ended or "closed"

    async def leave(self) -> None:
        self.ended = "left"


class Exchange:
    """Connects when it is told to."""

    def __init__(self) -> None:
        self.attempts = 0
        self.answering = asyncio.Event()
        self.away = False
        self.lines: list[Line] = []

    async def connect(self) -> Line:
        self.attempts += 1
        await self.answering.wait()
        if self.away:
            raise SourceUnavailableError("nobody there")
        self.lines.append(Line())
        return self.lines[-1]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def lifeline_of(exchange: Exchange) -> Lifeline[Line]:
    return Lifeline(exchange.connect, name="test")


async def test_a_caller_without_time_leaves_and_the_attempt_goes_on(
    exchange: Exchange,
) -> None:
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await lifeline.connection()
        exchange.answering.set()
        assert await lifeline.connection() is exchange.lines[0]
    assert exchange.attempts == 1


async def test_the_connection_is_kept_and_left_politely(exchange: Exchange) -> None:
    exchange.answering.set()
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        assert await lifeline.connection() is await lifeline.connection()
    assert [line.ended for line in exchange.lines] == ["left"]


async def test_a_failed_attempt_is_made_again_by_the_next_caller(
    exchange: Exchange,
) -> None:
    exchange.answering.set()
    exchange.away = True
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        with pytest.raises(SourceUnavailableError):
            await lifeline.connection()
        exchange.away = False
        await lifeline.connection()
    assert exchange.attempts == 2


async def test_a_dropped_connection_is_closed_and_made_again(
    exchange: Exchange,
) -> None:
    exchange.answering.set()
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        first = await lifeline.connection()
        lifeline.drop()
        assert first.ended == "closed"
        assert await lifeline.connection() is not first


async def test_an_attempt_is_given_up_at_the_end(exchange: Exchange) -> None:
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        await asyncio.sleep(0)
    assert exchange.attempts == 1
    assert exchange.lines == []
    with pytest.raises(SourceUnavailableError, match="not open"):
        await lifeline.connection()


async def test_helpers_end_with_the_body() -> None:
    async with companions() as tasks:
        task = tasks.start(asyncio.Event().wait(), name="test.waits")
        await asyncio.sleep(0)
        assert not task.done()
    assert task.cancelled()


async def test_an_error_of_the_body_leaves_as_itself() -> None:
    cause = ValueError("cause")

    async def body() -> None:
        async with companions() as tasks:
            tasks.start(asyncio.Event().wait(), name="test.waits")
            raise SourceUnavailableError("lost") from cause

    with pytest.raises(SourceUnavailableError, match="lost") as caught:
        await body()
    assert caught.value.__cause__ is cause


async def test_an_error_of_a_helper_ends_the_body() -> None:
    async def fail() -> None:
        raise LookupError("bug")

    async def body() -> None:
        async with companions() as tasks:
            tasks.start(fail(), name="test.fails")
            await asyncio.Event().wait()

    with pytest.raises(LookupError, match="bug"):
        await body()


async def test_a_connection_is_replaced_by_one_that_is_made_before_it_is_left(
    exchange: Exchange,
) -> None:
    exchange.answering.set()
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        first = await lifeline.connection()
        exchange.answering.clear()
        for _ in range(2):  # once is enough
            lifeline.replace()
            await asyncio.sleep(0)
        assert await lifeline.connection() is first
        exchange.answering.set()
        async with asyncio.timeout(60):
            while not first.ended:
                await asyncio.sleep(0)
        assert await lifeline.connection() is exchange.lines[1]
    assert [line.ended for line in exchange.lines] == ["left", "left"]


async def test_a_connection_stays_where_none_can_take_its_place(
    exchange: Exchange,
) -> None:
    exchange.answering.set()
    lifeline = lifeline_of(exchange)
    lifeline.replace()  # not open: nothing to replace
    async with lifeline.open():
        first = await lifeline.connection()
        exchange.away = True
        lifeline.replace()
        async with asyncio.timeout(60):
            while exchange.attempts < 2:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await lifeline.connection() is first
    assert first.ended == "left"


async def test_a_replacement_for_what_was_lost_meanwhile_is_not_kept(
    exchange: Exchange,
) -> None:
    exchange.answering.set()
    lifeline = lifeline_of(exchange)
    async with lifeline.open():
        first = await lifeline.connection()
        exchange.answering.clear()
        lifeline.replace()
        await asyncio.sleep(0)
        lifeline.drop()
        exchange.answering.set()
        async with asyncio.timeout(60):
            while len(exchange.lines) < 2 or not exchange.lines[1].ended:
                await asyncio.sleep(0)
        third = await lifeline.connection()
    assert third is exchange.lines[2]
    assert first.ended == "closed"
