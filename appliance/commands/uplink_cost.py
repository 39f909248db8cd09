"""What the uplink costs in bytes, and what sending everything would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from appliance.commands.demo.report import SAMPLE_BYTES, WAVEFORM_POINT_BYTES
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.storage.reader import BufferReader

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS


class Part(msgspec.Struct, frozen=True):
    """Bytes over a time; `share` is what was sent of what there was."""

    seconds: float
    raw_bytes: int
    sent_bytes: int
    share: float | None


class Cost(msgspec.Struct, frozen=True):
    """Over the last while, and over all that this buffer knows."""

    last: Part
    total: Part


def cost_of(
    buffer: Path, sync: Mapping[str, Any], *, now_ns: int, last_s: float
) -> Cost:
    """Return the cost. `sync` is its own status, with bytes by minute of a day.

    Raises:
        StoreOpenError: The buffer cannot be read.
    """
    since_ns = now_ns - round(last_s * _NS)
    minutes = sync.get("link", {}).get("minutes", [])
    sent_last = sum(
        size for minute, size in minutes if minute * _MINUTE_NS >= since_ns - _MINUTE_NS
    )
    with open_reader(buffer) as reader:
        raw_last = _raw_since(reader, since_ns)
        counters = reader.counters()
        raw_all = (
            SAMPLE_BYTES * counters.get("samples_stored", 0)
            + WAVEFORM_POINT_BYTES * reader.waveform_points()
        )
    sent_all = int(sync.get("counters", {}).get("bytes_written", 0))
    return Cost(
        last=_part(last_s, raw_last, sent_last), total=_part(0.0, raw_all, sent_all)
    )


def _raw_since(reader: BufferReader, since_ns: int) -> int:
    """Return what would have had to be sent: every stored sample and point."""
    samples = points = 0
    for tag in reader.tags():
        samples += len(reader.columns(tag, from_ns=since_ns).value)
        points += sum(
            len(each.points) for each in reader.waveforms(tag, from_ns=since_ns)
        )
    return SAMPLE_BYTES * samples + WAVEFORM_POINT_BYTES * points


def _part(seconds: float, raw_bytes: int, sent_bytes: int) -> Part:
    share = sent_bytes / raw_bytes if raw_bytes else None
    return Part(seconds, raw_bytes, sent_bytes, share)
