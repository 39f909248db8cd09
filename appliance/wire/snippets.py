"""The waveform of a snippet in few bytes, and requested samples as they were stored.

Content begins with a letter. `q`: points rounded to a quantum, a power of two, so that
the rounding lies at least a stated number of decibels below the waveform's own rms;
then changes of the given order, zstd. `s`: samples, exact: source times (int64) and
values (float64). Content of older gateways is zstd(float32 LE), without a letter.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np
import zstandard

from appliance.wire.messages import WireError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SNR_DEFAULT_DB = 36.0
_CONTENT_MAX_BYTES = 8 * 1024 * 1024
_ZSTD = b"\x28\xb5\x2f\xfd"
_HEAD = struct.Struct("<fBB")
_LEVEL = 19
_ORDERS = 4
_WIDE = 255


def pack_points(points: NDArray[np.float32], snr_db: float) -> bytes:
    """Return the points, rounded by at most half a quantum (see `quantum_of`)."""
    exact = points.astype(np.float64)
    exact[~np.isfinite(exact)] = 0.0
    quantum = quantum_of(exact, snr_db)
    counts = np.round(exact / quantum).astype(np.int64)
    tries = [_packed(counts, quantum, order) for order in range(_ORDERS)]
    return min(tries, key=len)


def points_of(content: bytes) -> NDArray[np.float32]:
    """Return the points of a waveform, whichever gateway packed it.

    Raises:
        WireError: Not a packed waveform.
    """
    try:
        if content.startswith(_ZSTD):
            return np.frombuffer(_plain(content), "<f4")
        if content[:1] != b"q":
            raise WireError("a snippet that is no waveform")
        quantum, order, width = _HEAD.unpack_from(content, 1)
        columns = np.frombuffer(_plain(content[1 + _HEAD.size :]), "u1")
        counts = _unfolded(columns.reshape(width, -1), order)
    except (struct.error, zstandard.ZstdError, ValueError) as error:
        raise WireError(f"a broken snippet: {error}") from error
    points: NDArray[np.float32] = (counts * quantum).astype(np.float32)
    return points


def quantum_of(points: NDArray[np.float64], snr_db: float) -> float:
    """Return the step of rounding: its noise, step / sqrt(12), is below the rms."""
    rms = float(np.sqrt(np.mean(points * points))) if len(points) else 0.0
    if not rms > 0.0:
        return 1.0
    step = rms * 10.0 ** (-snr_db / 20.0) * math.sqrt(12.0)
    peak = float(np.abs(points).max())
    return float(2.0 ** math.floor(math.log2(max(step, peak / 2**30))))


def pack_samples(times: NDArray[np.int64], values: NDArray[np.float64]) -> bytes:
    """Return stored samples as they are."""
    columns = (np.diff(times, prepend=0), values.view(np.int64))
    planes = [column.astype("<i8").view("u1").reshape(-1, 8).T for column in columns]
    plain = b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)
    return b"s" + _compress(plain)


def samples_of(content: bytes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (source times, values) of stored samples.

    Raises:
        WireError: Not packed samples.
    """
    if content[:1] != b"s":
        raise WireError("a snippet that holds no samples")
    try:
        planes = np.frombuffer(_plain(content[1:]), "u1").reshape(2, 8, -1)
    except (zstandard.ZstdError, ValueError) as error:
        raise WireError(f"a broken snippet: {error}") from error
    steps, values = (
        np.ascontiguousarray(plane.T).view("<i8").reshape(-1) for plane in planes
    )
    return np.cumsum(steps), values.view(np.float64)


def _packed(counts: NDArray[np.int64], quantum: float, order: int) -> bytes:
    changes = np.diff(counts, n=order, prepend=np.zeros(order, np.int64))
    folded = (changes << 1) ^ (changes >> 63)
    highest = int(folded.max(initial=0))
    width = 1 if highest <= _WIDE else (highest.bit_length() + 7) // 8
    planes = [(folded >> (8 * place)) & _WIDE for place in range(width)]
    plain = b"".join(plane.astype("u1").tobytes() for plane in planes)
    return b"q" + _HEAD.pack(quantum, order, width) + _compress(plain)


def _unfolded(planes: NDArray[np.uint8], order: int) -> NDArray[np.int64]:
    folded = np.zeros(planes.shape[1], dtype=np.int64)
    for place, plane in enumerate(planes):
        folded |= plane.astype(np.int64) << (8 * place)
    counts = (folded >> 1) ^ -(folded & 1)
    for _ in range(min(order, _ORDERS)):
        counts = np.cumsum(counts)
    return counts


def _compress(plain: bytes) -> bytes:
    return zstandard.compress(plain, _LEVEL)


def _plain(content: bytes) -> bytes:
    size = zstandard.frame_content_size(content)
    if not 0 <= size <= _CONTENT_MAX_BYTES:
        raise WireError(f"a snippet of {size} bytes is not accepted")
    return zstandard.ZstdDecompressor().decompress(content)
