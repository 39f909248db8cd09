"""An OPC UA server that is faster than its clients.

`python -m benchmarks.support.opcua_server --tags N`. Sessions, items and security are
asyncua's, but asyncua makes an object of every value it sends and saturates near 10 000
a second. Here a notification message is one numpy table: all items, one record each,
with a value that counts the messages, so that a client sees what it has lost. `--plain`
leaves asyncua's own publishing as it is, and writes the same counts to its nodes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.ua.ua_binary import struct_to_binary
from cryptography.x509.oid import ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncua.server.uaprocessor import PublishRequestData, UaProcessor

URI = "urn:wheeltapper:responder"
LOOPBACK = "127.0.0.1"
_EPOCH_TICKS = 116_444_736_000_000_000
_RECORD = np.dtype(
    [
        ("handle", "<u4"),
        ("mask", "u1"),
        ("kind", "u1"),
        ("value", "<f8"),
        ("status", "<u4"),
        ("source", "<i8"),
        ("server", "<i8"),
    ]
)
_ALL_BUT_PICOSECONDS, _DOUBLE = 0x0F, 11


class Replaying(InternalSubscription):
    """Publishes one record per item in every interval, and omits nothing."""

    due = 0
    sent = 0

    @cached_property
    def handles(self) -> list[int]:
        """Every item's handle, once they are complete."""
        items = self.monitored_item_srv._monitored_items.values()  # noqa: SLF001
        return [item.client_handle or 0 for item in items]

    async def publish_results(
        self, requestdata: PublishRequestData | None = None
    ) -> bool:
        """Answer as many requests as there are messages due; say if the given one was.

        Without a request it is the end of a publishing interval.
        """
        answered = requestdata is not None and self.due > 0
        if requestdata is None and self._has_all_items():
            self.due += 1
        while self.due:
            if requestdata is None:
                assert self.pub_request_callback is not None
                requestdata = self.pub_request_callback(self.data.SubscriptionId)
            if requestdata is None:
                break
            self._send(requestdata)
            requestdata = None
        return answered

    def _has_all_items(self) -> bool:
        count = len(self.monitored_item_srv._monitored_items)  # noqa: SLF001
        settled, self._count = count and count == getattr(self, "_count", 0), count
        return bool(self.sent or settled)

    def _send(self, request: PublishRequestData) -> None:
        self.due -= 1
        self.sent += 1
        message = notification(
            self.handles,
            count=self.sent,
            subscription=self.data.SubscriptionId,
            request=request.requesthdr.RequestHandle,
        )
        processor: UaProcessor = self.pub_result_callback.__self__  # type: ignore[attr-defined] # a bound method
        connection = processor._connection  # noqa: SLF001
        number = request.seqhdr.RequestId
        chunks = connection.message_to_binary(message, request_id=number)
        processor._transport.write(chunks)  # noqa: SLF001


def notification(
    handles: Sequence[int], *, count: int, subscription: int, request: int
) -> bytes:
    """Return the body of a PublishResponse: every item has the value `count`."""
    now = time.time_ns() // 100 + _EPOCH_TICKS
    table = np.zeros(len(handles), _RECORD)
    table["handle"] = handles
    table["mask"], table["kind"] = _ALL_BUT_PICOSECONDS, _DOUBLE
    table["value"], table["source"], table["server"] = count, now, now
    body = struct.pack("<i", len(table)) + table.tobytes() + struct.pack("<i", -1)
    return b"".join(
        (
            struct.pack("<BBH", 1, 0, 829),
            struct_to_binary(ua.ResponseHeader(RequestHandle=ua.UInt32(request))),
            struct.pack("<IiB", subscription, 0, 0),
            struct.pack("<IqiBBHBi", count, now, 1, 1, 0, 811, 1, len(body)),
            body,
            struct.pack("<ii", 0, 0),
        )
    )


async def serve(arguments: argparse.Namespace) -> None:
    """Run until standard input ends."""
    server = Server()
    await server.init()
    await server.set_application_uri(URI)
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:{arguments.port}/")
    policies = [ua.SecurityPolicyType.NoSecurity]
    if arguments.pki is not None:
        await _secure(server, arguments.pki)
        policies = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
    server.set_security_policy(policies)
    index = await server.register_namespace(URI)
    nodes = []
    for number in range(arguments.tags):
        node = ua.NodeId(node_name(number), index)  # type: ignore[arg-type] # NewTypes
        nodes.append(
            await server.nodes.objects.add_variable(node, node_name(number), 0.0)
        )
    async with server:
        port = server.bserver._server.sockets[0].getsockname()[1]  # type: ignore[union-attr] # noqa: SLF001 - running
        print(json.dumps({"url": f"opc.tcp://{LOOPBACK}:{port}/"}), flush=True)
        async with asyncio.TaskGroup() as group:
            writing = _write(nodes if arguments.plain else [], arguments.period_s)
            task = group.create_task(writing, name="write")
            await asyncio.to_thread(sys.stdin.read)
            task.cancel()


def node_name(number: int) -> str:
    """Return the string identifier of a tag's node."""
    return f"t/{number:05}"


async def _write(nodes: list[Any], period_s: float) -> None:
    """Write the same count to every node, once per period."""
    count, due_s = 0, time.monotonic()
    while True:
        due_s += period_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        count += 1
        now = ua.DataValue(ua.Variant(float(count), ua.VariantType.Double))
        now.SourceTimestamp = now.ServerTimestamp = ua.DateTime.utcnow()
        for node in nodes:
            await node.write_value(now)


async def _secure(server: Server, pki: Path) -> None:
    """Make certificates for both sides below `pki`, and use the server's."""
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    for name, uri in (("server", URI), ("client", "urn:wheeltapper:gateway")):
        await setup_self_signed_certificate(
            pki / f"{name}.pem", pki / f"{name}.der", uri, LOOPBACK, both, {}
        )
    await server.load_certificate(pki / "server.der")
    await server.load_private_key(pki / "server.pem")


def main() -> None:
    """Read what to serve, and serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=int, default=1000)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--period-s", type=float, default=0.1)
    parser.add_argument("--pki", type=Path)
    arguments = parser.parse_args()
    if not arguments.plain:
        import asyncua.server.subscription_service as service  # noqa: PLC0415

        service.InternalSubscription = Replaying  # type: ignore[misc]
    asyncio.run(serve(arguments))


if __name__ == "__main__":
    main()
