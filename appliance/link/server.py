"""The serving end of the link. Numpy-free: safety serves with it too."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from appliance.link.frames import read_frame
from appliance.link.newest import NewestCursor, NewestTable
from appliance.link.outlet import Outlet
from appliance.link.roles import Role, process_user, user_name
from appliance.runtime.listening import stop_listening
from appliance.runtime.tasks import alongside
from appliance.wire.messages import (
    PROTOCOL,
    BatchMessage,
    EventMessage,
    Hello,
    Reply,
    Request,
    Subscribe,
    TagEntry,
    WireError,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

PEERS_MAX = 64
PEERS_PER_PROCESS_MAX = 8
HELLO_WITHIN_S = 5.0
_CREDENTIALS = struct.Struct("3i")
_SOCKET_MODE = 0o660


class RefusedError(Exception):
    """An operation is refused; the text goes to the one who asked."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int
    role: Role
    name: str
    process: str

    def is_one_of(self, processes: Collection[str]) -> bool:
        """Say whether it runs as the user of one of our processes, whatever it says."""
        return self.name in {process_user(process) for process in processes}


Operation: TypeAlias = "Callable[[Mapping[str, Any], Peer], Awaitable[Any]]"


class LinkServer:
    """A Unix socket that publishes batches and events and answers requests.

    At most `PEERS_MAX` peers, and `PEERS_PER_PROCESS_MAX` of one process: one more is
    refused, so that no local client can shut out the others. Publishing never waits.
    """

    def __init__(
        self, path: Path, *, process: str, role_of: Callable[[int, int], Role]
    ) -> None:
        self._path = path
        self._process = process
        self._role_of = role_of
        self._operations: dict[str, tuple[Role, tuple[str, ...], Operation]] = {}
        self._epoch = ""
        self._tags: tuple[TagEntry, ...] = ()
        self._batch_outlets: set[Outlet] = set()
        self._event_outlets: set[Outlet] = set()
        self._newest_outlets: set[Outlet] = set()
        self._newest = NewestTable()
        self._peers: Counter[int] = Counter()
        self._ready = asyncio.Event()
        self._counts = {
            "peers_refused": 0,
            "batches_lost": 0,
            "broken_frames": 0,
            "values_coalesced": 0,
        }
        self.on_batch: Callable[[BatchMessage, Peer], Awaitable[None]] | None = None
        self.on_leave: Callable[[Peer], Awaitable[None]] | None = None

    @property
    def counters(self) -> Mapping[str, int]:
        """Peers, and what was refused, lost by slow peers, broken, coalesced."""
        counts = dict(self._counts)
        counts["batches_lost"] += sum(o.lost_batches for o in self._batch_outlets)
        counts["values_coalesced"] += sum(o.coalesced for o in self._newest_outlets)
        return {**counts, "peers": self._peers.total()}

    def operation(
        self,
        op: str,
        run: Operation,
        *,
        role: Role = Role.VIEWER,
        processes: tuple[str, ...] = (),
    ) -> None:
        """Offer an operation to peers of at least `role`, and to our `processes`.

        A process gets what it needs and no role: sync may acknowledge rows, and
        can no more reset a trip than any viewer.
        """
        self._operations[op] = (role, processes, run)

    def set_tags(self, epoch: str, tags: tuple[TagEntry, ...]) -> None:
        """Set what the hello tells the next peers."""
        self._epoch = epoch
        self._tags = tags

    def publish_batch(self, message: BatchMessage) -> None:
        """Send to every subscriber of batches; a slow one loses the oldest.

        Subscribers of the newest values get them at their own pace.
        """
        for outlet in self._batch_outlets:
            outlet.put_batch(message)
        touched = self._newest.take(message)
        if touched is not None:
            for outlet in self._newest_outlets:
                outlet.note_newest(touched)

    def publish_event(self, message: EventMessage) -> None:
        """Send to every subscriber of events."""
        for outlet in self._event_outlets:
            outlet.put_first(message)

    async def wait_ready(self) -> None:
        """Wait until the socket listens."""
        await self._ready.wait()

    async def serve(self) -> None:
        """Listen until cancelled; a socket left by a dead process is replaced.

        Raises:
            OSError: The path cannot be bound.
        """
        self._path.unlink(missing_ok=True)
        async with asyncio.TaskGroup() as peers:

            def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                task = peers.create_task(
                    self._meet(reader, writer), name=f"link.{self._process}.peer"
                )
                # A task that is cancelled before it begins closes nothing itself.
                task.add_done_callback(lambda _: writer.close())

            server = await asyncio.start_unix_server(accept, self._path)
            self._path.chmod(_SOCKET_MODE)
            self._ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                await stop_listening(server)
                self._path.unlink(missing_ok=True)

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        pid = _credentials(writer)[0]
        full = self._peers.total() >= PEERS_MAX
        if full or self._peers[pid] >= PEERS_PER_PROCESS_MAX:
            self._counts["peers_refused"] += 1
            writer.close()
            return
        self._peers[pid] += 1
        try:
            await self._talk(reader, writer)
        except (WireError, TimeoutError) as error:
            self._counts["broken_frames"] += 1
            log.warning("a peer of the link was disconnected: %s", error)
        except ConnectionError:
            pass
        finally:
            self._peers[pid] -= 1
            self._peers += Counter()  # forget processes that have left
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with asyncio.timeout(HELLO_WITHIN_S):
            hello = await read_frame(reader)
            if hello is None:
                return
            if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
                raise WireError("the first message is not a hello of our protocol")
            greeting = Hello(PROTOCOL, self._process, self._epoch, self._tags)
            writer.write(encode_frame(greeting))
            await writer.drain()
        peer = self._peer(writer, hello.process)
        outlet = Outlet(overrun=writer.transport.abort)
        try:
            async with alongside(_send(outlet, writer), name="link.send"):
                await self._listen(reader, peer, outlet)
        finally:
            self._batch_outlets.discard(outlet)
            self._event_outlets.discard(outlet)
            self._newest_outlets.discard(outlet)
            self._counts["batches_lost"] += outlet.lost_batches
            self._counts["values_coalesced"] += outlet.coalesced
            if self.on_leave is not None:
                await self.on_leave(peer)

    async def _listen(
        self, reader: asyncio.StreamReader, peer: Peer, outlet: Outlet
    ) -> None:
        while (message := await read_frame(reader)) is not None:
            match message:
                case Request():
                    outlet.put_first(await self._answer(message, peer))
                case BatchMessage() if self.on_batch is not None:
                    await self.on_batch(message, peer)
                case Subscribe():
                    self._subscribe(message, outlet)
                case _:
                    raise WireError(f"{type(message).__name__} is not for a server")

    def _subscribe(self, message: Subscribe, outlet: Outlet) -> None:
        if "batches" in message.what:
            self._batch_outlets.add(outlet)
        if "events" in message.what:
            self._event_outlets.add(outlet)
        if "newest" in message.what and outlet not in self._newest_outlets:
            outlet.follow(NewestCursor(self._newest))
            self._newest_outlets.add(outlet)

    async def _answer(self, request: Request, peer: Peer) -> Reply:
        if request.op not in self._operations:
            return Reply(request.n, error=f"there is no operation {request.op!r}")
        role, processes, run = self._operations[request.op]
        if peer.role < role and not peer.is_one_of(processes):
            needed = role.name.lower()
            return Reply(request.n, error=f"{request.op} needs the role {needed}")
        try:
            return Reply(request.n, result=await run(request.args, peer))
        except RefusedError as error:
            return Reply(request.n, error=str(error))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            log.warning("%s from %s: bad arguments: %r", request.op, peer.name, error)
            return Reply(request.n, error=f"bad arguments for {request.op}: {error}")
        except Exception:
            # A fault of ours in one operation must not end the link for everybody.
            log.exception("%s from %s failed", request.op, peer.name)
            return Reply(request.n, error=f"{request.op} failed; see the log")

    def _peer(self, writer: asyncio.StreamWriter, process: str) -> Peer:
        pid, uid, gid = _credentials(writer)
        return Peer(pid, uid, gid, self._role_of(uid, gid), user_name(uid), process)


def _credentials(writer: asyncio.StreamWriter) -> tuple[int, int, int]:
    raw: socket.socket = writer.get_extra_info("socket")
    given = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(given)
    return pid, uid, gid


async def _send(outlet: Outlet, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(encode_frame(await outlet.get()))
        await writer.drain()
