"""What can go wrong between two sessions, with a server that does what it is told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from asyncua import ua

from connectors.opcua.handover import (
    PublishBridge,
    TransferRefusedError,
    leave_behind,
    transfer,
)
from tests.unit.connectors.fakes import SetClock

GOOD, BAD = ua.StatusCodes.Good, ua.StatusCodes.BadUserAccessDenied
UNSUPPORTED = cast("Any", ua.UaStatusCodeError)(ua.StatusCodes.BadServiceUnsupported)


class Wire:
    """A client whose requests are answered by hand."""

    def __init__(self) -> None:
        self.sent: list[asyncio.Future[Any]] = []
        self._callbackmap: dict[int, asyncio.Future[Any]] = {}
        self.is_closed = False
        self.ended: list[str] = []
        self.uaclient = SimpleNamespace(protocol=self)

    def _send_request(self, request: object, timeout: float) -> asyncio.Future[Any]:
        del request, timeout
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._callbackmap[len(self.sent)] = answer
        self.sent.append(answer)
        return answer

    async def close_session(self, *, delete_subscriptions: bool) -> None:
        self.ended.append(f"session, subscriptions too: {delete_subscriptions}")

    async def close_secure_channel(self) -> None:
        self.ended.append("channel")

    def disconnect_socket(self) -> None:
        self.ended.append("socket")


class Answering:
    """A session that answers TransferSubscriptions as it is told."""

    def __init__(self, *statuses: int, error: Exception | None = None) -> None:
        self._statuses = statuses
        self._error = error

    async def transfer_subscriptions(self, _: object) -> list[ua.TransferResult]:
        if self._error is not None:
            raise self._error
        codes = (ua.StatusCode(ua.UInt32(status)) for status in self._statuses)
        return [ua.TransferResult(StatusCode=code) for code in codes]


def bridge_of(wire: Wire) -> PublishBridge:
    return PublishBridge(cast("Any", wire))


async def test_what_is_asked_in_the_pause_goes_to_the_new_session() -> None:
    old, new = Wire(), Wire()
    bridge = bridge_of(old)
    before = bridge.ask([])
    bridge.hold()
    meanwhile, given_up = bridge.ask([]), bridge.ask([])
    given_up.cancel()
    assert (len(old.sent), len(new.sent)) == (1, 0)
    assert before is old.sent[0]
    old.sent[0].set_result("told")
    await bridge.heard_out(SetClock())
    bridge.release(cast("Any", new))
    new.sent[0].set_result("told anew")
    assert str(await meanwhile) == "told anew"
    assert (len(old.sent), len(new.sent)) == (1, 1)


async def test_how_the_new_session_fails_is_told_to_who_waits() -> None:
    old, new = Wire(), Wire()
    bridge = bridge_of(old)
    bridge.hold()
    answers = [bridge.ask([]) for _ in range(3)]
    bridge.release(cast("Any", new))
    answers[2].cancel()
    new.sent[0].set_exception(ConnectionError("lost"))
    new.sent[1].cancel()
    new.sent[2].set_result("too late")
    with pytest.raises(ConnectionError, match="lost"):
        await answers[0]
    with pytest.raises(asyncio.CancelledError):
        await answers[1]


async def test_a_new_session_that_is_gone_is_a_loss() -> None:
    bridge = bridge_of(Wire())
    bridge.hold()
    answer = bridge.ask([])
    gone = cast("Any", SimpleNamespace(uaclient=SimpleNamespace(protocol=None)))
    bridge.release(gone)
    with pytest.raises(ConnectionError, match="is closed"):
        await answer
    with pytest.raises(ConnectionError, match="is closed"):
        bridge.ask([])


@pytest.mark.parametrize(
    ("session", "error"),
    [
        (Answering(GOOD, GOOD), None),
        (Answering(BAD, BAD), TransferRefusedError),
        (Answering(), TransferRefusedError),
        (Answering(error=UNSUPPORTED), TransferRefusedError),
        (Answering(GOOD, BAD), ConnectionError),
        (Answering(GOOD), ConnectionError),
        (Answering(error=ConnectionError()), ConnectionError),
        (Answering(error=TimeoutError()), ConnectionError),
    ],
)
async def test_a_transfer_is_whole_refused_or_a_loss(
    session: Answering, error: type[Exception] | None
) -> None:
    moving = transfer(cast("Any", session), [1, 2], within_s=5.0)
    if error is None:
        await moving
    else:
        with pytest.raises(error):
            await moving


async def test_what_was_asked_is_answered_before_the_old_session_is_closed() -> None:
    wire = Wire()
    waiting = wire._send_request(None, 0)

    class Clock(SetClock):
        async def sleep(self, seconds: float) -> None:
            assert not wire.ended
            waiting.set_result("answered")
            await super().sleep(seconds)

    gone = cast("Any", wire)
    await leave_behind(gone, gone, clock=Clock(), within_s=1.0)
    assert wire.ended == ["session, subscriptions too: False", "channel", "socket"]


async def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    wire, clock = Wire(), SetClock()
    wire._send_request(None, 0)
    gone = cast("Any", wire)
    await leave_behind(gone, gone, clock=clock, within_s=1.0)
    assert wire.ended[-1] == "socket"
    assert 1.0 <= clock.elapsed_s < 1.5
    wire.is_closed = True
    await leave_behind(gone, gone, clock=clock, within_s=1.0)
    assert clock.elapsed_s < 1.5
