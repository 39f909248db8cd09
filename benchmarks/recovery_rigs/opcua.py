"""Our OPC UA source on a server that counts, behind a relay."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from asyncua import Client
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import load_connector
from sim_plant.network import LinkMode, Relay
from sim_plant.servers.counting import (
    APPLICATION_URI,
    URI,
    CountingServer,
    Knobs,
    Record,
    counting_server,
)
from sim_plant.toxics import (
    Bandwidth,
    Blackhole,
    Garbling,
    HalfOpen,
    Latency,
    Slicer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from benchmarks.recovery_rigs.watch import Watch

LOOPBACK = "127.0.0.1"
OURS = "urn:wheeltapper:gateway"
TIMEOUT_S, KEEP_ALIVE_S, PUBLISHING_S, SESSION_S = 1.0, 0.3, 0.1, 2.0
SOON_S = 15.0
SLOW_S = 2 * TIMEOUT_S
ATTEMPTS = 3
SECURED = frozenset({"certificate changed", "garbled bytes"})
"""Cases on a signed and encrypted channel."""


@dataclass
class OpcuaRig:
    """A server, a relay before it, and us."""

    folder: Path
    knobs: Knobs
    relay: Relay
    stack: AsyncExitStack
    record: Record = field(default_factory=Record)
    secured: bool = False

    @property
    def url(self) -> str:
        """Where we find the server."""
        return f"opc.tcp://{LOOPBACK}:{self.relay.port}/"

    async def serve(self, knobs: Knobs) -> None:
        """Run a server, instead of the one that runs."""
        await self.stack.aclose()
        self.knobs = knobs
        serving = counting_server(self.record, knobs)
        self.server: CountingServer = await self.stack.enter_async_context(serving)
        self.relay.server_port = self.server.port

    def source(self, **more: object) -> Any:  # noqa: ANN401 - Source and Resumable
        """Return a new source of ours for it."""
        card = load_connector("opcua")
        return card.source(
            card.settings.model_validate(self.settings() | more), SystemClock()
        )

    def settings(self) -> dict[str, Any]:
        """Return the settings that lead to it."""
        security: dict[str, Any] = {"policy": "none", "allow_insecure": True}
        if self.secured:
            security = {
                "allow_anonymous": True,
                "certificate": str(self.folder / "ours.der"),
                "private_key": str(self.folder / "ours.pem"),
                "server_certificate": str(self.folder / "trusted.der"),
            }
        return {
            "name": "rig",
            "connector": "opcua",
            "url": self.url,
            "security": security,
            "timeout_s": TIMEOUT_S,
            "publishing_interval_s": PUBLISHING_S,
            "sampling_interval_s": 0.05,
            "keep_alive_s": KEEP_ALIVE_S,
            "session_timeout_s": SESSION_S,
            "tags": [
                {"id": f"count/{n}", "node": f"nsu={URI};s=count/{n}"}
                for n in range(self.knobs.tags)
            ],
        }

    def lost(self, watch: Watch, *, until_us: int) -> int:
        """Count the values shown since we first saw one that never arrived."""
        lost = 0
        for tag, number in watch.numbers.items():
            received, shown = watch.received[number], self.record.truth[tag]
            since_us = min(received)
            lost += sum(
                since_us <= time_us <= until_us and received.get(time_us) != value
                for time_us, value in shown
            )
        return lost

    def wrong(self, watch: Watch) -> int:
        """Count the values that arrived and were never shown."""
        wrong = 0
        for tag, number in watch.numbers.items():
            shown = dict(self.record.truth[tag])
            # Before the first count, the server has values of its own start.
            first_us = min(shown, default=0)
            wrong += sum(
                time_us >= first_us and shown.get(time_us) != value
                for time_us, value in watch.received[number].items()
            )
        return wrong


@asynccontextmanager
async def opcua_rig(
    folder: Path, knobs: Knobs, *, secured: bool = False
) -> AsyncIterator[OpcuaRig]:
    """Run a server and a relay."""
    async with Relay(LOOPBACK, 0, server_port=0) as relay, AsyncExitStack() as stack:
        rig = OpcuaRig(folder, knobs, relay, stack, secured=secured)
        if secured:
            await make_certificates(folder)
            shutil.copy(folder / "first.der", folder / "trusted.der")
            knobs = with_certificate(folder, "first", knobs)
        await rig.serve(knobs)
        yield rig


async def make_certificates(folder: Path) -> None:
    """Write `ours`, and two that the server may have."""
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    names = {"ours": OURS, "first": APPLICATION_URI, "second": APPLICATION_URI}
    for name, uri in names.items():
        key, certificate = folder / f"{name}.pem", folder / f"{name}.der"
        await setup_self_signed_certificate(
            key, certificate, uri, "localhost", both, {}
        )


def with_certificate(folder: Path, name: str, knobs: Knobs) -> Knobs:
    """Return knobs of a server with that certificate."""
    certificate, key = folder / f"{name}.der", folder / f"{name}.pem"
    return replace(knobs, certificate=certificate, private_key=key)


async def until(holds: Callable[[], bool], *, within_s: float) -> None:
    """Wait for something that happens on the server's side of the wire."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - asyncua tells nobody
            await asyncio.sleep(0.02)


# The faults: each returns at the moment from which recovery is possible.


async def server_restart(rig: OpcuaRig, watch: Watch) -> None:
    """The server stops, and starts again."""
    await rig.stack.aclose()
    await watch.until_lost()
    await rig.serve(rig.knobs)


async def other_node_ids(rig: OpcuaRig, watch: Watch) -> None:
    """It comes back with its namespaces in another order."""
    await rig.stack.aclose()
    await watch.until_lost()
    await rig.serve(replace(rig.knobs, namespaces_before=3))


async def session_expiry(rig: OpcuaRig, watch: Watch) -> None:
    """It ends our session; the channel stays."""
    await rig.server.forget_sessions()
    await watch.until_lost()


async def channel_expiry(rig: OpcuaRig, watch: Watch) -> None:
    """It no longer knows our secure channel."""
    rig.server.forget_channels()
    await watch.until_lost()


async def subscription_deleted(rig: OpcuaRig, watch: Watch) -> None:
    """It deletes our subscription; the session stays."""
    await rig.server.forget_subscriptions()
    await watch.until_lost()


async def half_open(rig: OpcuaRig, watch: Watch) -> None:
    """The server's end of the connection dies unheard."""
    rig.relay.add(HalfOpen())
    await watch.until_lost()


async def black_hole(rig: OpcuaRig, watch: Watch) -> None:
    """Every byte is swallowed, for longer than the session lasts."""
    rig.relay.add(Blackhole())
    await watch.until_lost()
    await asyncio.sleep(SESSION_S)  # the cut lasts: it outlives the session
    rig.relay.clear()


async def packets_held(rig: OpcuaRig, watch: Watch) -> None:
    """No packet arrives until the line is whole, then all do (TCP sends again)."""
    await rig.relay.fail(LinkMode.HANG)
    await watch.until_lost()
    await rig.relay.restore()


async def reset(rig: OpcuaRig, watch: Watch) -> None:
    """The connection is reset, and new ones are, until we have noticed."""
    await rig.relay.fail(LinkMode.DROP)
    await watch.until_lost()
    await rig.relay.restore()


async def too_many_sessions(rig: OpcuaRig, watch: Watch) -> None:
    """Another client has the last session, until we were refused a few times."""
    rig.server.max_sessions = 1
    await rig.relay.fail(LinkMode.DROP)
    await watch.until_lost()
    await rig.server.forget_sessions()
    other = Client(f"opc.tcp://{LOOPBACK}:{rig.server.port}/")
    async with other:
        await rig.relay.restore()
        await until(lambda: rig.server.refused >= ATTEMPTS, within_s=SOON_S)


async def slow_server(rig: OpcuaRig, watch: Watch) -> None:
    """Every answer takes longer than our patience, for a few attempts."""
    rig.relay.add(Latency(SLOW_S))
    await watch.until_lost()
    enough = rig.relay.calls_answered + ATTEMPTS
    await until(lambda: rig.relay.calls_answered >= enough, within_s=SOON_S)
    rig.relay.clear()


async def certificate_change(rig: OpcuaRig, watch: Watch) -> None:
    """It has a new certificate, which nobody trusts for a few attempts."""
    await rig.stack.aclose()
    await watch.until_lost()
    await rig.serve(with_certificate(rig.folder, "second", rig.knobs))
    enough = rig.relay.calls_answered + ATTEMPTS
    await until(lambda: rig.relay.calls_answered >= enough, within_s=SOON_S)
    shutil.copy(rig.folder / "second.der", rig.folder / "trusted.der")


async def garbling(rig: OpcuaRig, watch: Watch) -> None:
    """One byte of every chunk is another."""
    rig.relay.add(Garbling())
    await watch.until_lost()
    rig.relay.clear()


async def slicing(rig: OpcuaRig, watch: Watch) -> None:
    """Chunks come in crumbs, late and slowly; nothing may be lost."""
    for toxic in (Slicer(7), Latency(0.05, 0.05), Bandwidth(200_000)):
        rig.relay.add(toxic)
    newest = max(watch.newest_us.values())
    await watch.until_live_after(newest + 2_000_000, within_s=SOON_S)
    rig.relay.clear()


OPCUA_CASES: dict[str, Callable[[OpcuaRig, Watch], Awaitable[None]]] = {
    "server restart": server_restart,
    "restart, other node ids": other_node_ids,
    "session expired": session_expiry,
    "secure channel expired": channel_expiry,
    "subscription deleted": subscription_deleted,
    "half-open TCP": half_open,
    "black hole (bytes swallowed)": black_hole,
    "packets held (DROP)": packets_held,
    "connection reset": reset,
    "too many sessions": too_many_sessions,
    "slow server": slow_server,
    "certificate changed": certificate_change,
    "garbled bytes": garbling,
    "sliced, slow, late bytes": slicing,
}
