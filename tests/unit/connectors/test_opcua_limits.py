from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from asyncua import ua

from connectors.opcua.limits import (
    PORTION,
    ServerLimits,
    TooManyError,
    in_portions,
    limits_of,
    portion,
    unless_too_many,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.opcua.connection import Connection


def test_nothing_and_zero_are_no_limit() -> None:
    assert limits_of([None] * 8) == ServerLimits()
    assert limits_of([0, "x", 1000, 0, 0, 0, 5, 100.0]) == ServerLimits(
        items_per_call=1000, subscriptions_per_session=5, min_sampling_ms=100.0
    )


def test_the_smaller_of_two_limits_counts() -> None:
    assert ServerLimits().subscriptions_of_ours is None
    both = ServerLimits(subscriptions=9, subscriptions_per_session=2)
    assert both.subscriptions_of_ours == 2
    assert portion(None) == PORTION
    assert portion(7) == 7
    assert portion(10**6) == PORTION


@pytest.mark.parametrize("most", [1, 3, 70, 1000])
async def test_portions_are_halved_until_the_server_takes_them(most: int) -> None:
    calls: list[int] = []

    async def answer(some: Sequence[int]) -> list[int]:
        if len(some) > most:
            raise TooManyError(ua.StatusCodes.BadTooManyOperations)
        calls.append(len(some))
        return [2 * each for each in some]

    asked = list(range(1000))
    assert await in_portions(asked, 500, answer) == [2 * each for each in asked]
    assert max(calls) <= most


async def test_one_that_is_too_many_is_an_error() -> None:
    async def refuse(_: Sequence[int]) -> list[int]:
        raise TooManyError(ua.StatusCodes.BadTooManyOperations)

    with pytest.raises(TooManyError, match="BadTooManyOperations"):
        await in_portions([1], 500, refuse)


async def test_fewer_answers_than_asked_are_believed_nothing() -> None:
    async def forget(some: Sequence[int]) -> list[int]:
        return list(some[1:])

    with pytest.raises(TooManyError, match="BadUnexpectedError"):
        await in_portions([1, 2], 500, forget)


class Guard:
    """Stands for a connection: notes what would have been a loss."""

    def __init__(self) -> None:
        self.losses: list[Exception] = []

    @contextmanager
    def guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.losses.append(error)
            raise


async def raising(code: int) -> list[int]:
    ua.StatusCode(ua.UInt32(code)).check()
    return []


async def test_being_refused_for_asking_too_much_is_no_loss() -> None:
    guard = Guard()
    connection: Connection = guard  # type: ignore[assignment] # all that is used of it
    with pytest.raises(TooManyError):
        await unless_too_many(
            connection, lambda: raising(ua.StatusCodes.BadResponseTooLarge)
        )
    assert guard.losses == []
    with pytest.raises(ua.UaStatusCodeError):
        await unless_too_many(
            connection, lambda: raising(ua.StatusCodes.BadSessionIdInvalid)
        )
    assert len(guard.losses) == 1
