from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from appliance.storage.chunks import (
    Codec,
    Columns,
    Segment,
    pack_segment,
    stacked,
    unpack_segment,
)
from appliance.storage.floats import pack_floats, unpack_floats
from appliance.storage.integers import pack_integers, unpack_integers
from appliance.storage.packing import DamagedError, Packer, Unpacker, seal, unseal

ROWS = 600
OLD_CHUNK = "0200000000000059400000000000000000001901020000000004000000783f856f"
OLD_SEGMENT = (
    "012928b52ffd207d050100b00101010101000102030400d0e0e8f0003f3f3f3f0200041000290264"
    "4977455ef22b92"
)
"""What a release without second times wrote: five rows of 0, 0.25 … 1.0."""
_ANY_INT64 = st.integers(-(2**63), 2**63 - 1)
_ANY_BITS = _ANY_INT64.map(lambda bits: np.int64(bits).view(np.float64).item())
_ODD = st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308, -1.7e308])


def integers_again(column: np.ndarray) -> np.ndarray:
    out = Packer(zstandard.ZstdCompressor())
    pack_integers(out, column)
    return unpack_integers(_source(out), len(column))


def floats_again(column: np.ndarray) -> np.ndarray:
    out = Packer(zstandard.ZstdCompressor())
    pack_floats(out, column)
    return unpack_floats(_source(out), len(column))


def _source(out: Packer) -> Unpacker:
    return Unpacker(out.content(), zstandard.ZstdDecompressor())


@given(arrays(np.int64, st.integers(0, 40), elements=_ANY_INT64))
def test_any_integers_come_back(column: np.ndarray) -> None:
    np.testing.assert_array_equal(integers_again(column), column)


@given(arrays(np.int64, st.integers(0, 300), elements=st.integers(-9, 9)))
def test_small_integers_come_back(column: np.ndarray) -> None:
    np.testing.assert_array_equal(integers_again(column), column)


@given(st.data())
def test_extreme_integers_come_back(data: st.DataObject) -> None:
    extreme = st.sampled_from([-(2**63), 2**63 - 1, 0, 1, -1])
    column = data.draw(arrays(np.int64, st.integers(0, 12), elements=extreme))
    np.testing.assert_array_equal(integers_again(column), column)


@given(arrays(np.int64, st.integers(0, 40), elements=_ANY_INT64))
def test_any_bits_come_back_as_floats(bits: np.ndarray) -> None:
    column = bits.view(np.float64)
    assert floats_again(column).tobytes() == column.tobytes()


@given(arrays(np.float64, st.integers(0, 60), elements=_ODD | st.floats(-1e3, 1e3)))
def test_odd_floats_come_back_bit_for_bit(column: np.ndarray) -> None:
    assert floats_again(column).tobytes() == column.tobytes()


@given(
    arrays(np.int64, st.integers(1, 200), elements=st.integers(-(2**16), 2**16)),
    st.floats(1e-6, 1e3),
    st.floats(-1e3, 1e3),
    arrays(np.float64, st.just(200), elements=_ODD | st.just(1.0)),
)
def test_instrument_counts_come_back_bit_for_bit(
    counts: np.ndarray, factor: float, offset: float, odd: np.ndarray
) -> None:
    column = counts * factor + offset
    column = np.where(odd[: len(column)] == 1.0, column, odd[: len(column)])
    assert floats_again(column).tobytes() == column.tobytes()


def test_nan_payloads_survive_among_decimals() -> None:
    column = np.round(np.linspace(0, 50, ROWS), 1)
    column.view(np.int64)[::50] = np.int64(0x7FF8_0000_DEAD_BEEF)
    assert floats_again(column).tobytes() == column.tobytes()


def server_times(rows: int) -> st.SearchStrategy[np.ndarray | None]:
    """Return a second time for all rows, for some of them, or for none."""
    some = st.one_of(st.just(0), _ANY_INT64)
    return st.one_of(
        st.none(),
        arrays(np.int64, rows, elements=some),
        arrays(np.int64, rows, elements=_ANY_INT64.filter(bool)),
    )


@given(
    st.integers(0, 50),
    st.data(),
)
def test_any_segment_comes_back(rows: int, data: st.DataObject) -> None:
    def column(kind: type, elements: st.SearchStrategy) -> np.ndarray:
        return data.draw(arrays(kind, rows, elements=elements))

    segment = Segment(
        column(np.uint32, st.integers(0, 2**32 - 1)),
        Columns(
            column(np.int64, _ANY_INT64),
            column(np.int64, _ANY_INT64).view(np.float64),
            column(np.uint8, st.integers(0, 255)),
            column(np.uint32, st.integers(0, 2**32 - 1)),
            data.draw(server_times(rows)),
        ),
    )
    again = unpack_segment(pack_segment(segment), rows)
    assert again.tag.tobytes() == segment.tag.tobytes()
    _assert_same(again.columns, segment.columns)


@given(arrays(np.uint32, st.integers(0, 200), elements=st.integers(0, 2**32 - 1)))
def test_any_waveform_comes_back_bit_for_bit(bits: np.ndarray) -> None:
    codec = Codec()
    points = bits.view(np.float32)
    again = codec.unpack_points(codec.pack_points(points), len(points))
    assert again.tobytes() == points.tobytes()


def _assert_same(left: Columns, right: Columns) -> None:
    assert left.source_time_ns.tobytes() == right.source_time_ns.tobytes()
    assert left.value.tobytes() == right.value.tobytes()
    assert left.quality.tobytes() == right.quality.tobytes()
    assert left.status.tobytes() == right.status.tobytes()
    _assert_same_server_times(left.server_time_ns, right.server_time_ns)


def _assert_same_server_times(
    left: np.ndarray | None, right: np.ndarray | None
) -> None:
    """None and all zeros say the same: no row has one."""
    if left is None or right is None:
        assert left is None or not left.any()
        assert right is None or not right.any()
        return
    assert left.tobytes() == right.tobytes()


@given(st.integers(0, 50), st.data())
def test_any_chunk_comes_back_with_its_second_times(
    rows: int, data: st.DataObject
) -> None:
    times = data.draw(arrays(np.int64, rows, elements=_ANY_INT64))
    columns = Columns(
        times,
        data.draw(arrays(np.int64, rows, elements=_ANY_INT64)).view(np.float64),
        data.draw(arrays(np.uint8, rows, elements=st.integers(0, 255))),
        data.draw(arrays(np.uint32, rows, elements=st.integers(0, 2**32 - 1))),
        data.draw(server_times(rows)),
    )
    codec = Codec()
    _assert_same(codec.unpack_values(codec.pack_values(columns), times), columns)


@given(
    st.lists(
        st.integers(0, 9).flatmap(lambda n: st.tuples(st.just(n), server_times(n))),
        max_size=6,
    )
)
def test_rows_with_and_without_a_second_time_stack_row_by_row(
    parts: list[tuple[int, np.ndarray | None]],
) -> None:
    given_parts = [
        Columns(
            np.zeros(n, np.int64),
            np.zeros(n),
            np.zeros(n, np.uint8),
            np.zeros(n, np.uint32),
            server,
        )
        for n, server in parts
    ]
    expected = [0 if s is None else int(s[i]) for n, s in parts for i in range(n)]
    server = stacked(given_parts).server_time_ns
    assert ([0] * len(expected) if server is None else server.tolist()) == expected


def test_rows_without_a_second_time_are_packed_as_before_there_was_any() -> None:
    """The very bytes of the first format: what is absent costs nothing."""
    columns = Columns(
        np.arange(5, dtype=np.int64),
        np.arange(5) / 4,
        np.full(5, 2, np.uint8),
        np.zeros(5, np.uint32),
    )
    zeros = replace(columns, server_time_ns=np.zeros(5, np.int64))
    assert Codec().pack_values(zeros) == Codec().pack_values(columns)
    assert Codec().pack_values(columns).hex() == OLD_CHUNK
    segment = Segment(np.ones(5, np.uint32), columns)
    assert pack_segment(segment).hex() == OLD_SEGMENT
    _assert_same(unpack_segment(bytes.fromhex(OLD_SEGMENT), 5).columns, columns)


def test_a_section_of_a_newer_release_is_refused_and_not_passed_over() -> None:
    columns = Columns(
        np.zeros(1, np.int64),
        np.zeros(1),
        np.zeros(1, np.uint8),
        np.zeros(1, np.uint32),
    )
    codec = Codec()
    newer = seal(unseal(codec.pack_values(columns)) + bytes((2,)))
    with pytest.raises(DamagedError, match="newer release"):
        codec.unpack_values(newer, columns.source_time_ns)


def test_second_times_a_steady_moment_later_cost_next_to_nothing() -> None:
    rng = np.random.default_rng(1)
    times = 1_700_000_000 * 10**9 + np.arange(ROWS) * 10**8
    alone = Columns(
        times,
        np.round(_walk(rng), 1),
        np.full(ROWS, 2, np.uint8),
        np.zeros(ROWS, np.uint32),
    )
    both = replace(alone, server_time_ns=times + 1_500_000)
    codec = Codec()
    extra = len(codec.pack_values(both)) - len(codec.pack_values(alone))
    assert extra / ROWS < 0.05


def _walk(rng: np.random.Generator) -> np.ndarray:
    return 20 + np.cumsum(rng.normal(0, 0.02, ROWS)) + rng.normal(0, 0.05, ROWS)


def _bytes_per_sample(value: np.ndarray, jitter_ns: np.ndarray, *, tags: int) -> float:
    """What one of `tags` tags, polled together, takes; times jitter by about 1 ms."""
    codec = Codec()
    time_ns = 1_700_000_000 * 10**9 + np.arange(ROWS) * 10**8 + jitter_ns
    columns = Columns(
        time_ns, value, np.full(ROWS, 2, np.uint8), np.zeros(ROWS, np.uint32)
    )
    times = len(codec.pack_times(time_ns))
    return (len(codec.pack_values(columns)) + times / tags) / ROWS


def test_quantised_values_alone_take_at_most_four_bytes_with_their_own_times() -> None:
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 1e3, ROWS).astype(np.int64) * 1000
    adc = np.rint((_walk(rng) + 50) / 200 * 65535) * 200 / 65535 - 50
    assert _bytes_per_sample(np.round(_walk(rng), 1), jitter, tags=1) <= 4
    assert _bytes_per_sample(adc, jitter, tags=1) <= 4


def test_noisy_floats_take_at_most_seven_bytes_when_ten_tags_share_times() -> None:
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 1e6, ROWS).astype(np.int64)
    assert _bytes_per_sample(_walk(rng), jitter, tags=10) <= 7


def test_constants_take_at_most_a_fifth_of_a_byte_when_twenty_tags_share_times() -> (
    None
):
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 1e6, ROWS).astype(np.int64)
    assert _bytes_per_sample(np.full(ROWS, 3.7), jitter, tags=20) <= 0.2


@given(st.binary(max_size=60), st.integers(0, 50))
@example(b"\x01\x80\x80\x80\x80\rV", 0).via("a dictionary of 26 GiB")
def test_hostile_bytes_are_refused_and_nothing_else(content: bytes, rows: int) -> None:
    codec = Codec()
    time_ns = np.zeros(rows, np.int64)
    for unpack in (
        lambda: codec.unpack_values(seal(content), time_ns),
        lambda: codec.unpack_times(seal(content), rows),
        lambda: codec.unpack_points(seal(content), rows),
        lambda: unpack_segment(seal(content), rows),
    ):
        try:
            unpack()
        except DamagedError:
            continue


@given(st.data())
def test_a_flipped_bit_is_seen(data: st.DataObject) -> None:
    sealed = bytearray(seal(b"some content of a block"))
    at = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(DamagedError):
        unseal(bytes(sealed))
