"""Rows as columns, snippets in few bytes: what comes out is what went in."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire.messages import WireError
from appliance.wire.outbox import (
    EventRow,
    GapRow,
    HealthRow,
    Row,
    SnippetRow,
    Stream,
    SummaryRow,
    encode_payload,
    encode_row,
)
from appliance.wire.payload import NUMBERS_MAX, encode, open_payload
from appliance.wire.phrases import PHRASES
from appliance.wire.snippets import (
    pack_points,
    pack_samples,
    points_of,
    quantum_of,
    samples_of,
)

UUID = "a6b1f7f2-9cf0-4a79-9c1f-0f8f0a1d9b11"
names = st.sampled_from(["P-101/flow", "P-101/DE/x", "[P-1]/ü", ""])
times = st.integers(-(2**60), 2**60)
numbers = st.floats() | st.none() | st.decimals(-999, 999, places=3).map(float)
summaries = st.builds(
    SummaryRow, names, times, st.floats(0.001, 1e6), st.integers(0, 2**40),
    st.integers(0, 9), numbers, numbers, numbers, numbers, numbers,
)  # fmt: skip
events = st.builds(
    EventRow, names, names, times, st.text(max_size=20), names, st.none() | names,
    names, names,
    st.dictionaries(st.text(max_size=5), st.none() | st.integers(-9, 9) | st.text()),
)  # fmt: skip
gaps = st.builds(
    GapRow, names, names, times, times, times, st.integers(0, 9), st.integers(0, 9)
)
rows_of_a_stream = st.one_of(
    st.tuples(st.just(Stream.SUMMARY), st.lists(summaries, min_size=1, max_size=20)),
    st.tuples(st.just(Stream.EVENT), st.lists(events, min_size=1, max_size=8)),
    st.tuples(st.just(Stream.GAP), st.lists(gaps, min_size=1, max_size=8)),
)


@given(given_rows=rows_of_a_stream, first=st.integers(1, 2**50), epoch=st.text())
def test_columns_bring_back_every_row_as_it_was(
    given_rows: tuple[Stream, list[Row]], first: int, epoch: str
) -> None:
    stream, rows = given_rows
    content = encode(rows, epoch=epoch, stream=stream, first_seq=first, settled=0)
    carried = open_payload(content)
    assert [encode_row(row) for row in carried.rows] == list(map(encode_row, rows))
    assert (carried.epoch, carried.stream, carried.settled) == (epoch, stream, 0)
    assert list(carried.seqs) == list(range(first, first + len(rows)))
    assert (carried.last_seq, carried.absent) == (first + len(rows) - 1, 0)


def test_an_older_gateway_is_understood() -> None:
    row = HealthRow("P-1", 5, 0.2, 1.0, 0.9, False, None, None, None, "", "v1")
    content = encode_payload(
        epoch="e", stream=Stream.HEALTH, first_seq=7, rows=[encode_row(row)], settled=3
    )
    carried = open_payload(content)
    assert (carried.schema, carried.rows, carried.settled) == (1, (row,), 3)
    assert (carried.first_seq, carried.last_seq) == (7, 7)


def summary(number: int) -> SummaryRow:
    return SummaryRow("P/x", number * 10**9, 1.0, 1, 0, 1.0, 1.0, 1.0, 0.0, 1.0)


def test_numbers_without_rows_of_their_own_are_told() -> None:
    content = encode(
        [summary(1), summary(2)], epoch=UUID, stream=Stream.SUMMARY, first_seq=11,
        settled=10, seqs=[13, 19], last_seq=20,
    )  # fmt: skip
    carried = open_payload(content)
    assert (carried.epoch, carried.settled) == (UUID, 10)
    assert (list(carried.seqs), carried.last_seq) == ([13, 19], 20)
    assert carried.absent == 8


@pytest.mark.parametrize(
    "told",
    [
        {"seqs": [13, 19], "last_seq": 18},
        {"seqs": [19, 13], "last_seq": 20},
        {"seqs": [13], "last_seq": 20},
        {"seqs": [], "last_seq": 20},
        {"last_seq": 11 + NUMBERS_MAX},
        {"first_seq": 0},
        {"settled": 11},
    ],
)
def test_numbers_that_make_no_sense_are_refused(told: dict[str, object]) -> None:
    fields: dict[str, object] = {"first_seq": 11, "settled": 10, **told}
    content = encode(
        [summary(1), summary(2)],
        epoch="e",
        stream=Stream.SUMMARY,
        **fields,  # type: ignore[arg-type] # by table
    )
    with pytest.raises(WireError):
        open_payload(content)


@given(seed=st.integers(0, 10_000), flips=st.integers(1, 4))
def test_broken_bytes_are_refused_or_rows_and_nothing_else(
    seed: int, flips: int
) -> None:
    noise = random.Random(seed)
    content = bytearray(
        encode(
            [summary(n) for n in range(5)], epoch=UUID, stream=Stream.SUMMARY,
            first_seq=1, settled=0,
        )
    )  # fmt: skip
    for _ in range(flips):
        content[noise.randrange(len(content))] = noise.randrange(256)
    try:
        carried = open_payload(bytes(content[: noise.randrange(len(content)) + 1]))
    except WireError:
        return
    assert len(carried.rows) <= 5 or carried.rows


def test_the_dictionary_is_the_one_that_schema_2_means() -> None:
    digest = hashlib.sha256(PHRASES).hexdigest()
    assert digest == "59212158413b1b32048e1e5ff25980be4efbb740aa2e3182b33ec88e19fcc4f7"


def burst(seed: int, count: int = 4096) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    noise = np.random.default_rng(seed)
    at = np.arange(count) / 10_240
    wave = 3 * np.sin(2 * np.pi * 160 * at) + noise.normal(0, 1.0, count)
    return wave.astype(np.float32)


@pytest.mark.parametrize("snr_db", [20.0, 36.0, 60.0, 120.0])
def test_a_waveform_is_rounded_no_more_than_it_is_told(snr_db: float) -> None:
    points = burst(1)
    back = points_of(pack_points(points, snr_db))
    noise = np.sqrt(np.mean((back - points).astype(float) ** 2))
    rms = np.sqrt(np.mean(points.astype(float) ** 2))
    assert 20 * np.log10(rms / max(noise, 1e-12)) >= snr_db - 0.5
    step = quantum_of(points.astype(float), snr_db)
    assert np.abs(back - points).max() <= 0.51 * step + 1e-6


def test_a_waveform_takes_a_quarter_of_what_its_floats_take() -> None:
    points = burst(2)
    plain = len(zstandard.compress(points.tobytes(), 3))
    assert len(pack_points(points, 36.0)) < 0.27 * plain


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_and_silent_waveforms_come_back(count: int) -> None:
    silent = np.zeros(count, np.float32)
    assert points_of(pack_points(silent, 36.0)).tolist() == [0.0] * count


def test_the_waveform_of_an_older_gateway_is_understood() -> None:
    points = burst(3, 100)
    old = zstandard.compress(points.astype("<f4").tobytes(), 3)
    assert points_of(old).tolist() == points.tolist()


@given(
    rows=st.lists(st.tuples(times, st.floats(allow_nan=False)), max_size=50),
)
def test_requested_samples_come_back_exactly(rows: list[tuple[int, float]]) -> None:
    at = np.array([time for time, _ in rows], dtype=np.int64)
    values = np.array([value for _, value in rows], dtype=np.float64)
    got_at, got = samples_of(pack_samples(at, values))
    assert got_at.tolist() == at.tolist()
    assert got.tolist() == values.tolist()


@pytest.mark.parametrize("content", [b"", b"x", b"q", b"q123456789", b"s", b"sabc"])
def test_broken_snippets_are_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        points_of(content)
    with pytest.raises(WireError):
        samples_of(content)


def test_a_snippet_is_not_taken_for_samples() -> None:
    row = SnippetRow("P/x", 1, 1.0, 3, pack_points(burst(1, 3), 36.0), "trip")
    with pytest.raises(WireError):
        samples_of(row.content)
