"""A ring of records in a preallocated file: torn writes are found, never believed."""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SLOT_BYTES = 4096
SLOTS = 256
CAPACITY = SLOTS - 1
"""Records; slot 0 holds the epoch."""
FILE_BYTES = SLOT_BYTES * SLOTS
_HEAD = struct.Struct("<4sIQI")
_MAGIC = b"WTJ1"
PAYLOAD_MAX_BYTES = SLOT_BYTES - _HEAD.size
_MODE = 0o640


class Ring:
    """Numbered records, one per slot of a page, the newest `CAPACITY` of them.

    A slot whose checksum is wrong, or that stands at the wrong place, is as good as
    empty: what a kill or a power failure tore is never read back.
    """

    def __init__(self, descriptor: int, epoch: str) -> None:
        self._descriptor = descriptor
        self.epoch = epoch
        self.records: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, or make it with all the disk it will ever need.

        Raises:
            OSError: The disk refuses.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            content = os.pread(descriptor, FILE_BYTES, 0)
            os.posix_fallocate(descriptor, 0, FILE_BYTES)
            epoch = _payload(content[:SLOT_BYTES], 0)
            ring = cls(descriptor, "" if epoch is None else epoch.decode())
            ring.records = _records(content)
            if epoch is None:
                ring.epoch = str(uuid.uuid4())
                ring.write([(0, ring.epoch.encode())])
        except BaseException:
            os.close(descriptor)
            raise
        return ring

    def begin_again(self, epoch: str) -> None:
        """Forget every record: the numbers of another life shall not mix with ours.

        Raises:
            OSError: The disk refuses.
        """
        os.pwrite(self._descriptor, bytes(FILE_BYTES), 0)
        self.epoch, self.records = epoch, ()
        self.write([(0, epoch.encode())])

    def write(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Write records to their slots; durable on return.

        Raises:
            OSError: The disk refuses; writing the same again is harmless.
        """
        for seq, payload in records:
            slot = encode_slot(seq, payload)
            written = os.pwrite(self._descriptor, slot, slot_of(seq) * SLOT_BYTES)
            if written != len(slot):
                raise OSError(f"only {written} bytes of a record were written")
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def slot_of(seq: int) -> int:
    """Return the slot of a record; 0 is the epoch's."""
    return 0 if seq == 0 else 1 + (seq - 1) % CAPACITY


def encode_slot(seq: int, payload: bytes) -> bytes:
    """Return the bytes of a slot's record.

    Raises:
        ValueError: It is longer than a slot.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise ValueError(f"a record of {len(payload)} bytes does not fit in a slot")
    return _HEAD.pack(_MAGIC, len(payload), seq, _checksum(seq, payload)) + payload


def _records(content: bytes) -> tuple[tuple[int, bytes], ...]:
    found: dict[int, bytes] = {}
    for slot in range(1, SLOTS):
        part = content[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES]
        payload = _payload(part, slot)
        if payload is not None:
            found[_HEAD.unpack_from(part)[2]] = payload
    return tuple(sorted(found.items()))


def _payload(part: bytes, slot: int) -> bytes | None:
    """Return what a slot holds, or None if that cannot be believed."""
    if len(part) < _HEAD.size:
        return None
    magic, length, seq, checksum = _HEAD.unpack_from(part)
    payload = part[_HEAD.size : _HEAD.size + length]
    believed = (
        magic == _MAGIC
        and len(payload) == length
        and slot_of(seq) == slot
        and checksum == _checksum(seq, payload)
    )
    return payload if believed else None


def _checksum(seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(seq.to_bytes(8, "little")))
