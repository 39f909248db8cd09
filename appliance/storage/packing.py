"""Bytes in, fewer bytes out: zstd, varints, and the seal that shows damage."""

from __future__ import annotations

import zlib

import zstandard

_SEAL_BYTES = 4
_STORED, _ZSTD, _SAME = 0, 1, 2
PLAIN_MAX_BYTES = 64 * 1024 * 1024
"""Longest content: a bound against damaged lengths."""


class DamagedError(ValueError):
    """A stored block is not what was written."""


def seal(content: bytes) -> bytes:
    """Append the CRC-32 by which damage is found."""
    return content + zlib.crc32(content).to_bytes(_SEAL_BYTES, "little")


def unseal(sealed: bytes) -> bytes:
    """Return the content.

    Raises:
        DamagedError: The checksum differs.
    """
    content, found = sealed[:-_SEAL_BYTES], sealed[-_SEAL_BYTES:]
    if zlib.crc32(content).to_bytes(_SEAL_BYTES, "little") != found:
        raise DamagedError("the checksum of a block differs")
    return content


class Packer:
    """A growing block. Reuses one zstd context, so it belongs to one thread."""

    def __init__(self, zstd: zstandard.ZstdCompressor) -> None:
        self.zstd = zstd
        self._parts: list[bytes] = []

    def child(self) -> Packer:
        """Return an empty packer on the same zstd context."""
        return Packer(self.zstd)

    def number(self, value: int) -> None:
        """Append a non-negative integer (LEB128)."""
        digits = bytearray()
        while value > 0x7F:  # noqa: PLR2004 - seven bits to the byte
            digits.append(value & 0x7F | 0x80)
            value >>= 7
        digits.append(value)
        self._parts.append(bytes(digits))

    def signed(self, value: int) -> None:
        """Append an integer of either sign (zigzag)."""
        self.number(value << 1 if value >= 0 else (-value << 1) - 1)

    def block(self, content: bytes) -> None:
        """Append bytes of a length the reader knows, as small as they get."""
        if content and content.count(content[:1]) == len(content):
            self._parts.append(bytes((_SAME, content[0])))
            return
        packed = self.zstd.compress(content)
        if len(packed) + 2 < len(content):
            self._parts.append(bytes((_ZSTD,)))
            self.number(len(packed))
            self._parts.append(packed)
            return
        self._parts.append(bytes((_STORED,)))
        self._parts.append(content)

    def extend(self, content: bytes) -> None:
        """Append bytes as they are."""
        self._parts.append(content)

    def content(self) -> bytes:
        """Return what was appended."""
        return b"".join(self._parts)


class Unpacker:
    """Reads what a `Packer` wrote, in the same order.

    Every method raises DamagedError where the bytes end early or make no sense.
    """

    def __init__(self, content: bytes, zstd: zstandard.ZstdDecompressor) -> None:
        self._content = content
        self._at = 0
        self._zstd = zstd

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._at == len(self._content)

    def number(self) -> int:
        """Return a non-negative integer."""
        value = shift = 0
        while True:
            (digit,) = self.take(1)
            value |= (digit & 0x7F) << shift
            if digit <= 0x7F:  # noqa: PLR2004 - the last byte has no top bit
                return value
            shift += 7

    def signed(self) -> int:
        """Return an integer of either sign."""
        value = self.number()
        return -((value + 1) >> 1) if value & 1 else value >> 1

    def block(self, length: int) -> bytes:
        """Return `length` bytes."""
        if length > PLAIN_MAX_BYTES:
            raise DamagedError(f"a block of {length} bytes")
        (kind,) = self.take(1)
        if kind == _SAME:
            return self.take(1) * length
        if kind == _STORED:
            return self.take(length)
        packed = self.take(self.number())
        try:
            plain = self._zstd.decompress(packed, max_output_size=length)
        except zstandard.ZstdError as error:
            raise DamagedError(str(error)) from error
        if len(plain) != length:
            raise DamagedError("a block has the wrong length")
        return plain

    def take(self, length: int) -> bytes:
        """Return the next bytes as they are."""
        end = self._at + length
        if end > len(self._content):
            raise DamagedError("a block ends early")
        part = self._content[self._at : end]
        self._at = end
        return part
