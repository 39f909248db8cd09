"""Toxics do to bytes what they say, and the same again with the same seed."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_plant.toxics import (
    Bandwidth,
    Blackhole,
    Garbling,
    HungUpError,
    Latency,
    LimitData,
    Line,
    PacketStall,
    ResetPeer,
    Slicer,
    SlowClose,
    pieces,
)

if TYPE_CHECKING:
    from sim_plant.toxics import Toxic


class Loop(asyncio.SelectorEventLoop):
    """Its time passes at once, and only while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    def time(self) -> float:
        return super().time() + self.skipped_s

    def _run_once(self) -> None:
        waiting = self._scheduled  # type: ignore[attr-defined] # the loop's own
        if waiting and not self._ready:  # type: ignore[attr-defined] # same
            self.skipped_s += max(0.0, waiting[0].when() - self.time())
        super()._run_once()  # type: ignore[misc] # same


def carried(
    toxics: tuple[Toxic, ...], chunks: list[bytes], seed: int = 1
) -> list[tuple[float, bytes]]:
    """Return when each chunk is due after its arrival at 0 s, and what is left."""

    async def carry() -> list[tuple[float, bytes]]:
        line, loop = Line(Random(seed)), asyncio.get_running_loop()
        began_s = loop.time()
        came = []
        for chunk in chunks:
            left = await line.through(chunk, toxics, arrived_s=began_s)
            came.append((loop.time() - began_s, left))
        return came

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(carry())


def test_without_toxics_a_chunk_goes_through_at_once() -> None:
    ((due_s, left),) = carried((), [b"tap"])
    assert left == b"tap"
    assert due_s == pytest.approx(0.0, abs=0.05)


def test_latency_delays_chunks_and_does_not_add_up() -> None:
    came = carried((Latency(2.0),), [b"a", b"b", b"c"])
    assert [due_s for due_s, _ in came] == pytest.approx([2.0] * 3, abs=0.05)


def test_jitter_never_lets_a_later_chunk_overtake() -> None:
    came = [due_s for due_s, _ in carried((Latency(2.0, 1.5),), [b"x"] * 50)]
    assert came == sorted(came)
    assert 0.4 < came[0] < 3.6


def test_bandwidth_lets_so_many_bytes_through_a_second() -> None:
    came = carried((Bandwidth(100.0),), [b"x" * 50] * 4)
    assert [due_s for due_s, _ in came] == pytest.approx([0.5, 1, 1.5, 2], abs=0.05)


def test_a_stall_holds_up_its_share_of_the_chunks_and_all_behind_them() -> None:
    came = [due_s for due_s, _ in carried((PacketStall(0.3, 0.1),), [b"x"] * 200)]
    assert came == sorted(came)
    assert came[0] == pytest.approx(0.0, abs=0.05)
    assert came[-1] == pytest.approx(0.3, abs=0.05)


def test_the_same_seed_stalls_the_same_chunks() -> None:
    def stalls(seed: int) -> list[bool]:
        line = Line(Random(seed))
        return [line.random.random() < 0.01 for _ in range(1000)]

    assert stalls(7) == stalls(7)
    assert stalls(7) != stalls(8)
    assert 2 <= sum(stalls(7)) <= 25


@given(chunk=st.binary(min_size=1, max_size=200), seed=st.integers(0, 2**32))
def test_garbling_changes_one_byte_and_only_one(chunk: bytes, seed: int) -> None:
    ((_, left),) = carried((Garbling(),), [chunk], seed)
    assert len(left) == len(chunk)
    assert sum(a != b for a, b in zip(left, chunk, strict=True)) == 1


def test_garbling_touches_its_share_alone() -> None:
    came = [left for _, left in carried((Garbling(0.2),), [b"tap"] * 200)]
    assert 15 <= sum(left != b"tap" for left in came) <= 70


def test_a_black_hole_swallows_and_counts() -> None:
    async def swallow() -> Line:
        line = Line(Random(1))
        assert not await line.through(b"tap", (Blackhole(),), arrived_s=0.0)
        return line

    assert asyncio.run(swallow()).swallowed == 3


def test_after_so_many_bytes_the_line_is_hung_up() -> None:
    with pytest.raises(HungUpError):
        carried((LimitData(5),), [b"abc", b"def", b"g"])
    assert [left for _, left in carried((LimitData(5),), [b"abc", b"def"])] == [
        b"abc",
        b"de",
    ]


def test_a_reset_ends_the_line() -> None:
    with pytest.raises(HungUpError):
        carried((ResetPeer(),), [b"tap"])


def test_a_slow_close_leaves_bytes_alone() -> None:
    assert carried((SlowClose(3.0),), [b"tap"])[0][1] == b"tap"


@given(
    chunk=st.binary(max_size=500),
    size=st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_slices_are_together_the_chunk(chunk: bytes, size: int, seed: int) -> None:
    cut = list(pieces(chunk, Slicer(size), Random(seed)))
    assert b"".join(cut) == chunk
    assert all(1 <= len(piece) <= size + size // 2 + 1 for piece in cut)
