"""Which bytes are the answer to a request, and which are not: pure.

A reply is the answer only if nothing of it can be meant otherwise: its function, its
length to the byte and, after a write, its address. Everything else is no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from connectors.modbus.permits import (
    READING,
    RETURN_QUERY,
    WRITE_COIL,
    WRITE_REGISTER,
    WRITE_REGISTERS,
)

REFUSAL = 0x80
"""Added to the function of a request that the device refuses."""

_REFUSAL_BYTES = 2
_ADDRESSED = 3  # function, address
_ECHO_BYTES = 5  # and value, or count


class Verdict(Enum):
    """What a reply is to a request."""

    ANSWER = "answer"
    REFUSED = "refused"
    OTHER = "other"


@dataclass(frozen=True)
class Request:
    """A request that was sent, and what answers it. `pdu` is without any frame."""

    device_id: int
    pdu: bytes

    @property
    def function(self) -> int:
        """The function that is asked for."""
        return self.pdu[0]

    @cached_property
    def head(self) -> bytes:
        """How the answer must begin.

        Two requests with the same head cannot be told apart by their answers, unless
        the frame carries a transaction number.
        """
        table = READING.get(self.function)
        if table is not None:
            count = int.from_bytes(self.pdu[3:5], "big")
            size = -(-count // 8) if table.of_bits else 2 * count
            return bytes((self.function, size))
        if self.function in (WRITE_COIL, WRITE_REGISTER):
            # Some servers echo what the place holds now; the reading back decides.
            return self.pdu[:_ADDRESSED]
        if self.function in (WRITE_REGISTERS, RETURN_QUERY):
            return self.pdu[:_ECHO_BYTES]
        raise ValueError(f"function {self.function} is not ours to ask")

    @cached_property
    def answer_bytes(self) -> int:
        """How long the answer is."""
        if self.function in READING:
            return len(self.head) + self.head[1]
        return _ECHO_BYTES

    def judge(self, reply: bytes) -> Verdict:
        """Say what a whole reply is."""
        if len(reply) == self.answer_bytes and reply.startswith(self.head):
            return Verdict.ANSWER
        refused = (self.function | REFUSAL).to_bytes(1, "big")
        if len(reply) == _REFUSAL_BYTES and reply.startswith(refused) and reply[1]:
            return Verdict.REFUSED
        return Verdict.OTHER

    def length_of(self, begun: bytes) -> int | None:
        """Return how long the reply is that begins so; None: it is not to this."""
        if begun[:1] == (self.function | REFUSAL).to_bytes(1, "big"):
            return _REFUSAL_BYTES
        shared = min(len(begun), len(self.head))
        return self.answer_bytes if begun[:shared] == self.head[:shared] else None
