from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.utils import Buffer
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.publishing import PublishRequests
from connectors.opcua.sequence import Sequence
from tests.unit.connectors.opcua_bytes import Record, data_change, response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncua import ua

    from connectors.opcua.connection import Connection

TOO_MANY, NO_SUBSCRIPTION = 0x8078_0000, 0x8079_0000
LAST = 2**32 - 1
CHANGE = data_change([Record()])


class Wire:
    """The part of a connection that publishes; the test is the server."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Buffer]] = []
        self.acknowledged: list[int] = []

    async def renew_if_due(self) -> None:
        """Nothing is ever due."""

    @contextmanager
    def guarded(self) -> Iterator[None]:
        yield

    def ask_to_publish(
        self, acknowledge: list[ua.SubscriptionAcknowledgement]
    ) -> asyncio.Future[Buffer]:
        self.acknowledged += [each.SequenceNumber for each in acknowledge]
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    def answer(self, place: int, body: bytes) -> None:
        self.asked[place].set_result(Buffer(body))


def requests_on(wire: Wire, window: int) -> PublishRequests:
    return PublishRequests(cast("Connection", wire), window=window)


async def after(
    wire: Wire, requests: PublishRequests, *bodies: tuple[int, bytes]
) -> list[int]:
    """Answer in this order; return the numbers of the messages as they come out."""
    async with asyncio.TaskGroup() as group:
        first = group.create_task(requests.next(within_s=5.0), name="first")
        await asyncio.sleep(0)
        for place, body in bodies:
            wire.answer(place, body)
    messages = [first.result()]
    messages += [await requests.next(within_s=5.0) for _ in bodies[1:]]
    return [message.sequence_number for message in messages]


async def test_a_few_requests_stay_open_and_all_is_acknowledged() -> None:
    wire = Wire()
    requests = requests_on(wire, 3)
    for place in range(4):
        body = response(CHANGE, number=place + 1)
        assert await after(wire, requests, (place, body)) == [place + 1]
    assert sum(not asked.done() for asked in wire.asked) == 2
    assert wire.acknowledged == [1, 2, 3]


async def test_messages_come_out_in_the_order_of_their_arrival() -> None:
    wire = Wire()
    bodies = [
        (place, response(CHANGE, number=number))
        for place, number in ((2, 1), (0, 2), (1, 3))
    ]
    assert await after(wire, requests_on(wire, 3), *bodies) == [1, 2, 3]


async def test_a_keep_alive_is_not_acknowledged() -> None:
    wire = Wire()
    bodies = [(0, response(number=5)), (1, response(CHANGE, number=5))]
    await after(wire, requests_on(wire, 2), *bodies)
    assert wire.acknowledged == []


async def test_a_server_that_takes_fewer_requests_gets_fewer() -> None:
    wire = Wire()
    requests = requests_on(wire, 3)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(requests.next(within_s=5.0), name="waits")
        await asyncio.sleep(0)
        wire.answer(2, response(service_result=TOO_MANY))
        await asyncio.sleep(0)
        wire.answer(0, response(CHANGE, number=1))
    assert waiting.result().sequence_number == 1
    assert await after(wire, requests, (1, response(CHANGE, number=2))) == [2]
    assert len(wire.asked) == 4
    assert sum(not asked.done() for asked in wire.asked) == 1


async def test_a_server_that_takes_no_request_at_all_is_lost() -> None:
    wire = Wire()
    refusal = response(service_result=TOO_MANY)
    with pytest.raises(ExceptionGroup) as refused:
        await after(wire, requests_on(wire, 1), (0, refusal))
    assert "BadTooMany" in repr(refused.value.exceptions[0])


async def test_any_other_refusal_is_raised_by_its_name() -> None:
    wire = Wire()
    body = response(service_result=NO_SUBSCRIPTION)
    with pytest.raises(ExceptionGroup) as refused:
        await after(wire, requests_on(wire, 1), (0, body))
    assert "BadNoSubscription" in repr(refused.value.exceptions[0])


async def test_silence_is_an_error() -> None:
    with pytest.raises(Exception, match=r"no keep-alive for 0\.01 s"):
        await requests_on(Wire(), 2).next(within_s=0.01)


async def test_a_lost_connection_is_raised_once_and_not_by_every_request() -> None:
    wire = Wire()
    requests = requests_on(wire, 2)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_raises(requests), name="waits")
        await asyncio.sleep(0)
        for asked in wire.asked:
            asked.set_exception(ConnectionError("gone"))
    assert waiting.result() == "gone"


async def _raises(requests: PublishRequests) -> str:
    with pytest.raises(ConnectionError) as error:
        await requests.next(within_s=5.0)
    return str(error.value)


async def test_a_message_knows_which_ones_never_came() -> None:
    wire = Wire()
    requests = requests_on(wire, 1)
    await after(wire, requests, (0, response(CHANGE, number=1)))
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(requests.next(within_s=5.0), name="waits")
        await asyncio.sleep(0)
        wire.answer(1, response(CHANGE, number=4))
    assert list(waiting.result().missed) == [2, 3]


def test_asyncua_still_has_what_is_used_of_it() -> None:
    """The canary: `Connection.ask_to_publish` calls it by its private name."""
    assert callable(UASocketProtocol._send_request)
    assert bytes(Buffer(b"whole")) == b"whole"


# ------------------------------------------------------------------------ sequence


def test_a_keep_alive_names_the_message_that_comes_next() -> None:
    sequence = Sequence()
    assert not sequence.missing(1)
    assert list(sequence.missing(4, is_keep_alive=True)) == [2, 3]
    assert not sequence.missing(4)


def test_after_the_last_number_comes_one() -> None:
    sequence = Sequence()
    assert not sequence.missing(LAST)
    assert not sequence.missing(1)


def test_what_is_sent_again_leaves_nothing_out() -> None:
    sequence = Sequence()
    for number in (7, 8, 9):
        sequence.missing(number)
    assert not sequence.missing(8)
    assert not sequence.missing(10)


@given(st.integers(1, LAST), st.sets(st.integers(0, 60), min_size=1))
def test_each_missing_message_is_named_once(first: int, came: set[int]) -> None:
    sequence = Sequence()
    named: list[int] = []
    for step in sorted(came):
        named += sequence.missing((first - 1 + step) % LAST + 1)
    gone = set(range(min(came), max(came))) - came
    assert len(named) == len(gone)
    assert {(number - 1) % LAST for number in named} == {
        (first - 1 + step) % LAST for step in gone
    }
