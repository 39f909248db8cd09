"""Make paho dial without stalling the loop, however long the network is silent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

from paho.mqtt.client import WebsocketConnectionError

from appliance.sync.client import connect_blocking
from appliance.sync.errors import UplinkLostError, UplinkRefusedError
from appliance.sync.tls import words_of_tls

if TYPE_CHECKING:
    from appliance.sync.client import Address, UplinkClient

DIALLING_MAX = 4
"""Earlier attempts that may still wait for a name server that says nothing."""
_NAME = "uplink.dial"
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


async def dial(client: UplinkClient, address: Address) -> None:
    """Resolve, connect, shake hands, send CONNECT.

    A daemon thread does it, not the executor: a name server that never answers must
    not hold up the end of the process. When cancelled, what the thread waits for is
    ended; only a name server cannot be interrupted, so at most `DIALLING_MAX` threads
    wait for one.

    Raises:
        UplinkLostError: No connection; the words say why, and what helps.
    """
    if sum(each.name == _NAME for each in threading.enumerate()) >= DIALLING_MAX:
        raise UplinkLostError(
            f"{DIALLING_MAX} attempts still wait for the name server; check DNS"
        )
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def work() -> None:
        failure: Exception | None = None
        try:
            connect_blocking(client, address)
        except Exception as error:  # noqa: BLE001 - goes to the one who waits
            failure = error
        if done.cancelled():
            _drop(client)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, failure)

    def settle(failure: Exception | None) -> None:
        if done.cancelled():
            _drop(client)
        elif failure is not None:
            done.set_exception(failure)
        else:
            done.set_result(None)

    threading.Thread(target=work, name=_NAME, daemon=True).start()
    try:
        await done
    except asyncio.CancelledError:
        client.abandon()
        raise
    except (OSError, ValueError) as error:
        raise explained(error, address) from error


def explained(error: OSError | ValueError, address: Address) -> UplinkLostError:
    """Return what a failed attempt means, with the remedy where a person has one."""
    where = f"{address.host}:{address.port}"
    if isinstance(error, ssl.SSLError) and not isinstance(error, _HUNG_UP):
        return UplinkRefusedError(f"{where}: {words_of_tls(error, address.host)}")
    if isinstance(error, WebsocketConnectionError):
        return UplinkRefusedError(
            f"{where}: no WebSocket at {address.websocket_path}: {error}; "
            "check [uplink] path, port and tls"
        )
    return UplinkLostError(f"{where}: {error}")


def _drop(client: UplinkClient) -> None:
    opened = client.socket()
    if opened is not None:
        opened.close()
    client.let_go()
