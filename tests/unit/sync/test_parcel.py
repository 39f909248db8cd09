"""Packing rows into payloads."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from appliance.sync.parcel import Packer
from appliance.wire.outbox import GapRow, Stream, encode_row
from appliance.wire.payload import open_payload

MAX_BYTES = 2_000


def gap(reason: str) -> bytes:
    return encode_row(GapRow("acquisition", reason, 1, 2, 3, 0, 0))


@given(lengths=st.lists(st.integers(0, 3_000), min_size=1, max_size=40))
def test_every_row_is_packed_once_in_order_and_payloads_keep_their_limit(
    lengths: list[int],
) -> None:
    rows = [
        gap(random.Random(place).randbytes(length).hex())
        for place, length in enumerate(lengths)
    ]
    packer = Packer(Stream.GAP)
    parcels = list(
        packer.pack(rows, epoch="e", first=7, settled=6, max_bytes=MAX_BYTES)
    )
    expected = 7
    for parcel in parcels:
        carried = open_payload(parcel.payload)
        assert parcel.first == carried.first_seq == expected
        assert len(carried.rows) == parcel.last - parcel.first + 1
        assert [encode_row(row) for row in carried.rows] == rows[
            parcel.first - 7 : parcel.last - 6
        ]
        assert len(parcel.payload) <= MAX_BYTES or parcel.first == parcel.last
        expected = parcel.last + 1
    assert expected == 7 + len(rows)


def test_it_learns_how_well_rows_compress() -> None:
    rows = [gap("the same words again and again")] * 2_000
    packer = Packer(Stream.GAP)
    parcels = list(
        packer.pack(rows, epoch="e", first=1, settled=0, max_bytes=MAX_BYTES)
    )
    first, second = parcels[0], parcels[1]
    assert second.last - second.first > 2 * (first.last - first.first)


def test_a_row_beyond_the_limit_goes_alone() -> None:
    large = msgspec.msgpack.encode(random.Random(1).randbytes(5_000))
    parcels = list(
        Packer(Stream.SNIPPET).pack(
            [large, large], epoch="e", first=1, settled=0, max_bytes=MAX_BYTES
        )
    )
    assert [(parcel.first, parcel.last) for parcel in parcels] == [(1, 1), (2, 2)]
