"""Trips, first-outs and the latched state, durable before they are called committed."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from appliance.safety.maintenance import Token  # noqa: TC001 - msgspec reads it
from appliance.safety.ring import CAPACITY, PAYLOAD_MAX_BYTES, Ring
from appliance.wire.messages import EventMessage  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from appliance.domain.ports import Clock

log = logging.getLogger(__name__)

RETRY_S = 1.0
_SHORT_MESSAGE = 200

Causes = dict[str, tuple[str, ...]]
"""Of each tripped element, its causes, the first-out first."""


class Entry(msgspec.Struct, frozen=True):
    """An event, what was latched after it, and what it left for the next life."""

    event: EventMessage
    causes: Causes = {}
    token: Token | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


class Journal:
    """The newest `CAPACITY` entries, in memory and on disk.

    `append` never waits and never fails: the disk is written by `run`, off the scan's
    thread. Where the disk refuses, entries wait in memory (the oldest fall out, as
    they would on disk) and `on_trouble` is told, once.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._ring: Ring | None = None
        self._closed = False
        self._one_thread = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=CAPACITY)
        self._waiting: deque[Entry] = deque(maxlen=CAPACITY)
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._last_seq = 0
        self.epoch = ""
        self.committed_seq = 0
        self.trouble = ""
        self.causes: Causes = {}
        self.token: Token | None = None
        self.on_committed: Callable[[EventMessage], None] = _ignore
        self.on_trouble: Callable[[str], None] = _ignore

    @property
    def last_seq(self) -> int:
        """Number of the newest entry, committed or not."""
        return self._last_seq

    @property
    def waiting(self) -> int:
        """How many entries are not yet committed."""
        return len(self._waiting)

    async def open(self) -> None:
        """Read what an earlier life left; a disk that refuses is reported, not raised.

        `causes` are then those latched when that life ended, `token` what it left.
        """
        refusal = await asyncio.to_thread(self._restore)
        if refusal is not None:
            self.epoch = str(uuid.uuid4())
            self._troubled(refusal)

    def append(
        self,
        event: EventMessage,
        causes: Mapping[str, tuple[str, ...]],
        token: Token | None = None,
    ) -> int:
        """Queue an event, the latched causes and a token; return its number."""
        self._last_seq += 1
        numbered = msgspec.structs.replace(event, pending=False, seq=self._last_seq)
        entry = Entry(numbered, dict(causes), token)
        self._entries.append(entry)
        self._waiting.append(entry)
        self._work.set()
        return self._last_seq

    def since(self, seq: int) -> tuple[EventMessage, ...]:
        """Return the committed events with a number above `seq`, as far as kept."""
        return tuple(
            entry.event
            for entry in self._entries
            if seq < entry.event.seq <= self.committed_seq
        )

    async def wait_committed(self, seq: int, *, within_s: float) -> bool:
        """Wait until an entry is durable; say whether it became so in time."""
        try:
            async with asyncio.timeout(within_s), self._progress:
                await self._progress.wait_for(lambda: self.committed_seq >= seq)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Commit what waits, in order, until cancelled; then once more."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._waiting:
                    await self._commit()
        finally:
            self._close()

    async def _commit(self) -> None:
        batch = tuple(self._waiting)
        try:
            await asyncio.to_thread(self._write, batch)
        except OSError as error:
            self._troubled(error)
            await self._clock.sleep(RETRY_S)
            return
        self._waiting = deque(
            (each for each in self._waiting if each.event.seq > batch[-1].event.seq),
            maxlen=CAPACITY,
        )
        self.committed_seq = batch[-1].event.seq
        if self.trouble:
            log.info("the journal is written again")
            self.trouble = ""
        for entry in batch:
            self.on_committed(entry.event)
        async with self._progress:
            self._progress.notify_all()

    def _restore(self) -> OSError | None:
        try:
            self._ring = Ring.open(self._path)
        except OSError as error:
            return error
        self.epoch = self._ring.epoch
        for _, payload in self._ring.records:
            try:
                entry = _decoder.decode(payload)
            except msgspec.MsgspecError:
                continue  # of another version: not ours to judge
            self._entries.append(entry)
            self._last_seq = self.committed_seq = entry.event.seq
            self.causes, self.token = entry.causes, entry.token
        return None

    def _write(self, batch: tuple[Entry, ...]) -> None:
        with self._one_thread:
            if self._closed:
                return
            if self._ring is None:  # the disk refused at the start
                ring = Ring.open(self._path)
                ring.begin_again(self.epoch)
                self._ring = ring
            self._ring.write([(entry.event.seq, encode(entry)) for entry in batch])

    def _troubled(self, error: OSError) -> None:
        text = f"{self._path.name}: {error.strerror or error}"
        if not self.trouble:
            self.trouble = text
            log.error("the journal is kept in memory only: %s", text)
            self.on_trouble(text)

    def _close(self) -> None:
        """Write what waits, on this thread: nothing else is going on any more."""
        try:
            self._write(tuple(self._waiting))
        except OSError as error:
            self._troubled(error)
        with self._one_thread:
            self._closed = True
            if self._ring is not None:
                self._ring.close()


def encode(entry: Entry) -> bytes:
    """Return the bytes of an entry, shortened until they fit into a slot.

    What cannot be kept of causes or token is `power-up` after a restart.
    """
    body = _encoder.encode(entry)
    event = entry.event
    first = {name: causes[:1] for name, causes in entry.causes.items()}
    shorter = msgspec.structs.replace(
        event, message=event.message[:_SHORT_MESSAGE], details={}
    )
    token = entry.token
    for smaller in (
        Entry(event, first, token), Entry(shorter, first, token), Entry(shorter),
    ):  # fmt: skip
        if len(body) <= PAYLOAD_MAX_BYTES:
            break
        body = _encoder.encode(smaller)
    return body


def _ignore(_: object) -> None:
    """Until somebody listens."""
