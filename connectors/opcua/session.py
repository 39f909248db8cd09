"""One activated session, until it fails: then it stays failed.

Numpy-free, because safety uses it.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from asyncua import ua

from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.entrance import Entrance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncua.common.utils import Buffer

_LEAVE_WITHIN_S = 2.0


class Session(Entrance):
    """What is done over a connection, each call inside `guarded`.

    `session` offers the services of OPC UA Part 4.
    """

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn whatever asyncua raises inside into `SourceUnavailableError`."""
        if self._lost:
            raise SourceUnavailableError(f"{self._settings.url}: the session is lost")
        try:
            yield
        except SourceUnavailableError:
            raise
        except asyncio.CancelledError:
            # A server that is slow is not lost, one that has long been silent is.
            if self._clock.now_s() - self._answered_s > self._patience_s:
                self.close()
            raise
        except Exception as error:
            # A malformed message makes asyncua's parser raise almost anything.
            self.close()
            reason = str(error) or type(error).__name__
            raise SourceUnavailableError(f"{self._settings.url}: {reason}") from error
        self._answered_s = self._clock.now_s()

    async def renew_if_due(self) -> None:
        """Renew the secure channel when three quarters of its life are over.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        life_s = self._client.secure_channel_timeout / 1000
        if self._clock.now_s() - self._renewed_s < 0.75 * life_s:
            return
        self._renewed_s = self._clock.now_s()  # one of several tasks renews, not each
        with self.guarded():
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def read(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        """Return the values of nodes as the server has them now, with both times.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        await self.renew_if_due()
        wanted = [ua.ReadValueId(node, ua.AttributeIds.Value) for node in nodes]
        request = ua.ReadParameters(0, ua.TimestampsToReturn.Both, wanted)
        with self.guarded():
            values = await self.session.read(request)
            if len(values) != len(nodes):
                raise ua.UaError(f"{len(values)} values answered to {len(nodes)} asked")
        return values

    def ask_to_publish(
        self, acknowledge: list[ua.SubscriptionAcknowledgement]
    ) -> asyncio.Future[Buffer]:
        """Send a publish request; the future gets the body of the answer.

        The body is whole, verified and decrypted, and nothing in it is decoded: that
        asyncua makes an object of every value would cost more than all that follows.
        Call it inside `guarded`.
        """
        return self._bridge.ask(acknowledge)

    async def leave(self) -> None:
        """Close the session politely, if there is anybody to be polite to."""
        if not self._lost:
            with suppress(Exception):
                async with asyncio.timeout(_LEAVE_WITHIN_S):
                    await self.session.close_session(delete_subscriptions=True)
                    await self._client.close_secure_channel()
        self.close()
