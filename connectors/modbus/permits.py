"""What may be written, to the word: the last gate before the wire. Pure.

A permit is made from one `[[points]]` of the configuration. Every request that is to
be sent is shown to `Permits.check`, below whoever asked for it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.modbus.registers import Encoding, Table, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterable

READING = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
WRITE_COIL = 5
WRITE_REGISTER = 6
WRITE_REGISTERS = 16
RETURN_QUERY = 8

_COIL_WORDS = {b"\xff\x00": (1,), b"\x00\x00": (0,)}
_HEAD_OF_MANY = 6  # function, address, count, count of bytes


class NotPermittedError(Exception):
    """A request that would change what the configuration does not list."""


@dataclass(frozen=True, slots=True)
class Permit:
    """One device, one place, and the values that may be written there.

    `low..high` bounds the raw value; with `choices`, only these words.
    """

    device_id: int
    table: Table
    address: int
    encoding: Encoding
    choices: frozenset[tuple[int, ...]] = frozenset()
    low: float = 0.0
    high: float = 0.0

    def allows(self, words: tuple[int, ...]) -> bool:
        """Say whether these registers, or this coil, may be written."""
        if self.choices:
            return words in self.choices
        if len(words) != self.encoding.words:
            return False
        try:
            raw = self.encoding.decode(words)
        except UndecodableError:
            return False
        if isinstance(raw, str) or not math.isfinite(raw):
            return False
        return self.low <= raw <= self.high


@dataclass(frozen=True, slots=True)
class Write:
    """What a request would change."""

    table: Table
    address: int
    words: tuple[int, ...]


class Permits:
    """Every permit of one connection."""

    def __init__(self, permits: Iterable[Permit]) -> None:
        self._permits = {
            (each.device_id, each.table, each.address): each for each in permits
        }

    def check(self, device_id: int, request: bytes) -> None:
        """Let a request pass that changes nothing, or what a permit lists.

        `request` is the whole PDU. A function that is not known here does not pass.

        Raises:
            NotPermittedError: It must not be sent.
        """
        if request[0] in READING or request[:3] == bytes((RETURN_QUERY, 0, 0)):
            return
        write = _write_of(request)
        permit = self._permits.get((device_id, write.table, write.address))
        if permit is None or not permit.allows(write.words):
            raise NotPermittedError(
                f"device {device_id}: {list(write.words)} to {write.table} "
                f"{write.address} is not permitted"
            )


def _write_of(request: bytes) -> Write:
    function, rest = request[0], request[1:]
    if function == WRITE_COIL and rest[2:] in _COIL_WORDS:
        return Write(Table.COIL, _address(rest), _COIL_WORDS[rest[2:]])
    if function == WRITE_REGISTER and len(rest) == struct.calcsize(">HH"):
        return Write(Table.HOLDING, _address(rest), struct.unpack(">H", rest[2:]))
    if function == WRITE_REGISTERS and _is_whole(request):
        count = (len(request) - _HEAD_OF_MANY) // 2
        words = struct.unpack_from(f">{count}H", request, _HEAD_OF_MANY)
        return Write(Table.HOLDING, _address(rest), words)
    raise NotPermittedError(f"a request of function {function} is not permitted")


def _is_whole(request: bytes) -> bool:
    if len(request) < _HEAD_OF_MANY:
        return False
    count, byte_count = struct.unpack_from(">HB", request, 3)
    return bool(byte_count == 2 * count == len(request) - _HEAD_OF_MANY)


def _address(rest: bytes) -> int:
    return int.from_bytes(rest[:2], "big")
