"""What a network does to bytes, named as Toxiproxy names it; deterministic by seed.

A toxic is a value; `Line` is one direction of one call, on which toxics work. A
toxic's `share` is the part of the chunks it touches.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random


@dataclass(frozen=True)
class Latency:
    """Every byte comes `latency_s` later, give or take up to `jitter_s`; in order."""

    latency_s: float
    jitter_s: float = 0.0


@dataclass(frozen=True)
class Bandwidth:
    """No more than so many bytes a second."""

    bytes_per_s: float


@dataclass(frozen=True)
class Slicer:
    """Chunks arrive in pieces of about `piece_bytes`, `delay_s` apart."""

    piece_bytes: int
    delay_s: float = 0.0


@dataclass(frozen=True)
class Garbling:
    """In a share of the chunks, one byte is another."""

    share: float = 1.0


@dataclass(frozen=True)
class PacketStall:
    """A share of the chunks, and all behind it, waits for `stall_s`."""

    stall_s: float = 0.3
    share: float = 0.01


@dataclass(frozen=True)
class LimitData:
    """The line is hung up after so many bytes."""

    limit_bytes: int


@dataclass(frozen=True)
class ResetPeer:
    """Calls are reset `after_s` from the next chunk; new ones likewise."""

    after_s: float = 0.0


@dataclass(frozen=True)
class SlowClose:
    """Who hangs up is heard `delay_s` later."""

    delay_s: float


@dataclass(frozen=True)
class Blackhole:
    """Calls are answered and every byte is swallowed.

    A call that lost bytes is of no use afterwards: it is cut when this is removed.
    """


@dataclass(frozen=True)
class HalfOpen:
    """The server's end of the calls that are up dies, and the caller never hears.

    New calls are served: it is the call that is broken, not the way.
    """


Toxic: TypeAlias = (
    Latency
    | Bandwidth
    | Slicer
    | Garbling
    | PacketStall
    | LimitData
    | ResetPeer
    | SlowClose
    | Blackhole
    | HalfOpen
)


class HungUpError(Exception):
    """The line was cut by a toxic; `reset` if the caller is to notice it hard."""


@dataclass
class Line:
    """One direction of one call: what happens to a chunk before it goes on."""

    random: Random
    swallowed: int = 0
    _passed: int = 0
    _due_s: float = field(default=0.0)

    async def through(
        self, chunk: bytes, toxics: tuple[Toxic, ...], *, arrived_s: float
    ) -> bytes:
        """Return what is left of a chunk, when it is due.

        Raises:
            HungUpError: The line ends here.
        """
        due_s = arrived_s
        for toxic in toxics:
            match toxic:
                case Latency(latency_s, jitter_s):
                    due_s += latency_s + jitter_s * self.random.uniform(-1, 1)
                case Bandwidth(bytes_per_s):
                    due_s = max(due_s, self._due_s) + len(chunk) / bytes_per_s
                case PacketStall(stall_s, share) if self.random.random() < share:
                    due_s += stall_s
                case ResetPeer(after_s):
                    await asyncio.sleep(after_s)
                    raise HungUpError
                case Blackhole():
                    self.swallowed += len(chunk)
                    return b""
                case Garbling(share) if self.random.random() < share:
                    chunk = self._garbled(chunk)
                case LimitData(limit_bytes):
                    chunk = self._within(chunk, limit_bytes)
        # What is sent first arrives first, whatever the jitter.
        self._due_s = max(due_s, self._due_s)
        await asyncio.sleep(self._due_s - asyncio.get_running_loop().time())
        return chunk

    def _garbled(self, chunk: bytes) -> bytes:
        place = self.random.randrange(len(chunk))
        other = chunk[place] ^ self.random.randrange(1, 256)
        return chunk[:place] + bytes([other]) + chunk[place + 1 :]

    def _within(self, chunk: bytes, limit_bytes: int) -> bytes:
        room = limit_bytes - self._passed
        if room <= 0:
            raise HungUpError
        self._passed += len(chunk)
        return chunk[:room]


def pieces(chunk: bytes, slicer: Slicer, random: Random) -> Iterator[bytes]:
    """Yield a chunk in pieces of half to one and a half of the size asked for."""
    place = 0
    while place < len(chunk):
        least = max(1, slicer.piece_bytes // 2)
        size = random.randint(least, least + slicer.piece_bytes)
        yield chunk[place : place + size]
        place += size
