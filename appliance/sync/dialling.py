"""Make paho dial without stalling the loop, however long the network is silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from appliance.sync.client import connect_blocking
from appliance.sync.errors import UplinkLostError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

    from appliance.sync.client import Address

UNANSWERED_MAX_S = 30
_IDLE_S, _BETWEEN_S, _PROBES = 15, 5, 3


async def dial(client: Client, address: Address) -> None:
    """Resolve, connect, shake hands, send CONNECT.

    A daemon thread does it, not the executor: a name server that never answers must
    not hold up the end of the process. When cancelled, the thread is left to end by
    itself and closes what it opened.

    Raises:
        UplinkLostError: No connection.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def work() -> None:
        failure: Exception | None = None
        try:
            connect_blocking(client, address)
        except Exception as error:  # noqa: BLE001 - goes to the one who waits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, failure)

    def settle(failure: Exception | None) -> None:
        opened = client.socket()
        if done.cancelled():
            if opened is not None:
                opened.close()
        elif failure is not None:
            done.set_exception(failure)
        else:
            done.set_result(None)

    threading.Thread(target=work, name="uplink.dial", daemon=True).start()
    try:
        await done
    except (OSError, ValueError) as error:
        raise UplinkLostError(f"{address.host}:{address.port}: {error}") from error


def watch_line(raw: socket.socket) -> None:
    """Let the kernel notice a dead line, by progress and not by elapsed time.

    A slow link that moves is never given up; one that acknowledges nothing for
    `UNANSWERED_MAX_S` is, also while it is idle.
    """
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MAX_S * 1000)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
