"""Go on with another session, and lose nothing on the way: make before break.

A session belongs to the certificate that it was made with (Part 4, 5.7.3), so a new
certificate needs a new session. The server moves the subscriptions there
(TransferSubscriptions) with all that they have not told yet.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from asyncua import ua

if TYPE_CHECKING:
    from asyncua import Client
    from asyncua.client.ua_session import UaSession
    from asyncua.common.utils import Buffer

    from appliance.domain.ports import Clock

Acknowledgements: TypeAlias = list[ua.SubscriptionAcknowledgement]
Answer: TypeAlias = "asyncio.Future[Buffer]"

_LOOK_EVERY_S = 0.02


class TransferRefusedError(Exception):
    """The server does not move the subscriptions; they are where they were."""


class PublishBridge:
    """Publish requests, and the pause in which their session is replaced.

    Between `hold` and `release` none is sent. What was asked before is heard out, so
    that no message is on its way to a session that is being left.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_held = False
        self._open: set[Answer] = set()
        self._waiting: list[tuple[Answer, Acknowledgements]] = []

    def ask(self, acknowledge: Acknowledgements) -> Answer:
        """Send a publish request; the future gets the body of the answer.

        Raises:
            ConnectionError: The connection is closed.
        """
        if not self._is_held:
            return self._send(acknowledge)
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting.append((answer, acknowledge))
        return answer

    def hold(self) -> None:
        """Send nothing for now."""
        self._is_held = True

    async def heard_out(self, clock: Clock) -> None:
        """Wait until all that was asked is answered, or has failed."""
        while self._open:
            await clock.sleep(_LOOK_EVERY_S)

    def release(self, client: Client) -> None:
        """Send what waited, and what comes, by this client."""
        self._client = client
        self._is_held = False
        waiting, self._waiting = self._waiting, []
        for answer, acknowledge in waiting:
            if answer.done():
                continue
            try:
                sent = self._send(acknowledge)
            except Exception as error:  # noqa: BLE001 - told to whoever waits
                answer.set_exception(error)
            else:
                _chain(sent, answer)

    def _send(self, acknowledge: Acknowledgements) -> Answer:
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("the connection is closed")
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acknowledge
        # Private, and the canary of test_opcua_publishing: asyncua is pinned.
        sent: Answer = protocol._send_request(request, timeout=0)  # noqa: SLF001
        self._open.add(sent)
        sent.add_done_callback(self._open.discard)
        return sent


async def transfer(to: UaSession, subscriptions: list[int], *, within_s: float) -> None:
    """Move subscriptions to a session; what they have not told stays with them.

    Raises:
        TransferRefusedError: The server leaves all of them where they are.
        ConnectionError: It moved some, or it is not known what it did.
    """
    request = ua.TransferSubscriptionsParameters(
        SubscriptionIds=subscriptions, SendInitialValues=False
    )
    try:
        async with asyncio.timeout(within_s):
            results = await to.transfer_subscriptions(request)
    except ua.UaStatusCodeError as error:
        raise TransferRefusedError(str(error)) from error
    except Exception as error:
        raise ConnectionError(f"the subscriptions are nowhere: {error}") from error
    good = [result.StatusCode.is_good() for result in results]
    if not any(good):
        names = {result.StatusCode.name for result in results}
        raise TransferRefusedError(" and ".join(sorted(names)))
    if not all(good) or len(good) != len(subscriptions):
        raise ConnectionError("the server moved some of the subscriptions")


async def leave_behind(
    client: Client, session: UaSession, *, clock: Clock, within_s: float
) -> None:
    """Close what was replaced, once all that was asked there has been answered."""
    deadline_s = clock.now_s() + within_s
    try:
        while _waits_for_answers(client) and clock.now_s() < deadline_s:
            await clock.sleep(_LOOK_EVERY_S)
        with suppress(Exception):
            async with asyncio.timeout(within_s):
                await session.close_session(delete_subscriptions=False)
                await client.close_secure_channel()
    finally:
        client.disconnect_socket()


def _waits_for_answers(client: Client) -> bool:
    protocol = client.uaclient.protocol
    if protocol is None or protocol.is_closed:
        return False
    pending = protocol._callbackmap.values()  # noqa: SLF001 - asyncua is pinned
    return any(not each.done() for each in pending)


def _chain(sent: Answer, answer: Answer) -> None:
    """Let one future end as the other does."""

    def pass_on(_: Answer) -> None:
        if answer.done():
            return
        if sent.cancelled():
            answer.cancel()
        elif (error := sent.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(sent.result())

    sent.add_done_callback(pass_on)
