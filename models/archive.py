"""A bundle as one file, for the road: tar in zstd, the same bytes every time.

Unpacking believes nothing: the four files of a bundle, flat, and nothing else. Nothing
is extracted by the archive's own names, so there is no path to leave.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import zstandard

from models.bundle import CARD, GOLDEN, GRAPH, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = (MANIFEST, GRAPH, GOLDEN, CARD)
PLAIN_MAX_BYTES = 64 * 1024 * 1024
"""The longest archive once decompressed."""

_LEVEL = 12


class ArchiveError(ValueError):
    """Not the archive of a bundle; the message says what is wrong."""


def pack(folder: Path) -> bytes:
    """Return the archive of a bundle's folder; no times, no owners.

    Raises:
        OSError: A file of the bundle cannot be read.
    """
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in FILES:
            content = (folder / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return zstandard.compress(plain.getvalue(), _LEVEL)


def unpack(content: bytes) -> Mapping[str, bytes]:
    """Return the four files of a bundle by name.

    Raises:
        ArchiveError: It is too long, broken, or holds anything else.
    """
    plain = _decompress(content)
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in archive:
                if member.name not in FILES or not member.isfile():
                    raise ArchiveError(f"{member.name!r} is no file of a bundle")
                if member.name in files:
                    raise ArchiveError(f"{member.name!r} is there twice")
                file = archive.extractfile(member)
                files[member.name] = b"" if file is None else file.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ArchiveError(f"a broken archive: {error}") from error
    missing = [name for name in FILES if name not in files]
    if missing:
        raise ArchiveError(f"{', '.join(missing)} is missing")
    return files


def _decompress(content: bytes) -> bytes:
    try:
        size = zstandard.frame_content_size(content)
        if not 0 <= size <= PLAIN_MAX_BYTES:
            raise ArchiveError(f"an archive of {size} bytes is not accepted")
        return zstandard.ZstdDecompressor().decompress(content, PLAIN_MAX_BYTES)
    except zstandard.ZstdError as error:
        raise ArchiveError(f"a broken archive: {error}") from error
