"""What a site's rows weigh on the wire, by way of packing and by how long they wait.

    python -m benchmarks.uplink_bytes [--quick] [--json FILE]

The rows are those of one pump: 18 tags rolled up each minute, health each minute. Ways:
rows as msgpack with zstd (schema 1); the same with a dictionary trained on another
day; columns; columns with the dictionary of `wire.phrases`; and those of rounded
numbers, which is schema 2 as gateways send it. The PUBLISH around each is counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import zstandard

from appliance.domain.summary import Summary
from appliance.hub.summaries import row_of_summary
from appliance.wire.columns import pack
from appliance.wire.outbox import ROW_TYPE, Stream, SummaryRow, encode_payload
from appliance.wire.outbox import encode_row as encoded
from appliance.wire.payload import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EPOCH = "0c4e2a7e-6f0b-4a53-9f6e-3a1de5b41c11"
TOPIC = b"wheeltapper/v1/plant-1/gateway-1/summary"
TAGS, SAMPLES = 18, 240
SAMPLE_BYTES = 17
START_NS = 1_790_000_000 * 10**9 // (60 * 10**9) * 60 * 10**9
HOLDS_S = (60, 300, 900)


def rows_of(minutes: int, seed: int, *, rounded: bool) -> list[SummaryRow]:
    """Return summaries of instruments with noise of about 30 of their steps."""
    noise = np.random.default_rng(seed)
    levels = noise.uniform(1, 1500, TAGS)
    steps = 10.0 ** np.floor(np.log10(levels) - 3)
    found = []
    for minute in range(minutes):
        for number, (level, step) in enumerate(zip(levels, steps, strict=True)):
            drift = level * (1 + 0.01 * np.sin(minute / 60))
            values = np.round(noise.normal(drift, 30 * step, SAMPLES) / step) * step
            summary = Summary(
                tag=f"P-101/quantity_{number}",
                start_ns=START_NS + minute * 60 * 10**9,
                period_s=60.0,
                count=SAMPLES,
                bad=0,
                min=float(values.min()),
                max=float(values.max()),
                mean=float(values.mean()),
                std=float(values.std()),
                last=float(values[-1]),
            )
            found.append(row_of_summary(summary) if rounded else _exact(summary))
    return found


def _exact(summary: Summary) -> SummaryRow:
    return SummaryRow(
        summary.tag, summary.start_ns, summary.period_s, summary.count, summary.bad,
        summary.min, summary.max, summary.mean, summary.std, summary.last,
    )  # fmt: skip


def as_rows(rows: Sequence[SummaryRow], first: int) -> bytes:
    """Schema 1."""
    contents = [encoded(row) for row in rows]
    return encode_payload(
        epoch=EPOCH, stream=Stream.SUMMARY, first_seq=first, rows=contents
    )


def with_trained(
    dictionary: zstandard.ZstdCompressionDict,
) -> Callable[[Sequence[SummaryRow], int], bytes]:
    """Schema 1 with a dictionary."""
    compressor = zstandard.ZstdCompressor(level=19, dict_data=dictionary)

    def packed(rows: Sequence[SummaryRow], first: int) -> bytes:
        plain = msgspec.msgpack.encode([first, [encoded(row) for row in rows]])
        return compressor.compress(plain)

    return packed


def as_columns(rows: Sequence[SummaryRow], first: int) -> bytes:
    """Columns with zstd alone."""
    plain = msgspec.msgpack.encode([first, pack(rows, ROW_TYPE[Stream.SUMMARY])])
    return zstandard.compress(plain, 19)


def as_sent(rows: Sequence[SummaryRow], first: int) -> bytes:
    """Schema 2."""
    return encode(
        rows, epoch=EPOCH, stream=Stream.SUMMARY, first_seq=first, settled=first - 1
    )


def weigh(
    rows: Sequence[SummaryRow],
    hold_s: int,
    way: Callable[[Sequence[SummaryRow], int], bytes],
) -> int:
    """Return the bytes of all PUBLISH packets."""
    each = TAGS * hold_s // 60
    cuts = [*range(0, len(rows), each), len(rows)]
    total = 0
    for begin, end in pairwise(cuts):
        payload = way(rows[begin:end], begin + 1)
        total += 2 + (len(payload) > 80) + 2 + len(TOPIC) + 2 + 1 + len(payload)
    return total


def trained(minutes: int) -> zstandard.ZstdCompressionDict:
    """Return a dictionary made of another day's rows."""
    samples: list[bytes | bytearray | memoryview] = [
        encoded(row) for row in rows_of(minutes, 99, rounded=False)
    ]
    return zstandard.train_dictionary(8192, samples)


def main() -> int:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    minutes = 120 if args.quick else 24 * 60
    exact = rows_of(minutes, 1, rounded=False)
    rounded = rows_of(minutes, 1, rounded=True)
    raw_bytes = minutes * TAGS * SAMPLES * SAMPLE_BYTES
    ways = (
        ("rows, zstd (schema 1)", exact, as_rows),
        ("rows, zstd, trained dictionary", exact, with_trained(trained(60))),
        ("rounded rows, trained dictionary", rounded, with_trained(trained(60))),
        ("columns, zstd", exact, as_columns),
        ("columns, phrases", exact, as_sent),
        ("rounded columns, phrases (schema 2)", rounded, as_sent),
    )
    print(f"{'bytes a row, sent every':36}" + "".join(f"{h:>8} s" for h in HOLDS_S))
    table = {}
    for name, rows, way in ways:
        table[name] = [weigh(rows, hold_s, way) for hold_s in HOLDS_S]
        print(f"{name:36}" + "".join(f"{w / len(rows):>10.1f}" for w in table[name]))
    ours, before = table[ways[-1][0]], table[ways[0][0]]
    figures = [
        {
            "name": f"uplink_bytes_held_{hold_s}_s",
            "ours": sent,
            "baseline": old,
            "baseline_name": "the same rows as msgpack with zstd",
            "ratio": round(sent / old, 3),
            "target": 0.5,
            "met": sent <= 0.5 * old,
        }
        for hold_s, sent, old in list(zip(HOLDS_S, ours, before, strict=True))[1:]
    ]
    figures.append(
        {
            "name": "uplink_share_of_raw",
            "ours": ours[1],
            "baseline": raw_bytes,
            "baseline_name": "every sample at 4 Hz, 17 bytes each",
            "ratio": round(ours[1] / raw_bytes, 5),
            "target": 0.01,
            "met": ours[1] <= 0.01 * raw_bytes,
        }
    )
    for each in figures:
        print(
            f"{each['name']:26} x{each['ratio']}  target {each['target']}"
            f"  met: {each['met']}  ({each['baseline_name']})"
        )
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
