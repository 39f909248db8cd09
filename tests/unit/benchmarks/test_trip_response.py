"""The stop's benchmark: its states are measured apart and judged together."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from benchmarks.trip.page import keep, kept, page, run_of
from benchmarks.trip.plc import BAD_RAW, GOOD_RAW, LANES, Memory
from benchmarks.trip.subjects import Bare, Ours
from benchmarks.trip.verdict import ENOUGH_FOR_P999, figures, quantile

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.trip.measure import Times


def times(load: str, ours_s: float, bare_s: float, count: int = 10) -> Times:
    return {(Ours.name, load): [ours_s] * count, (Bare.name, load): [bare_s] * count}


def test_states_that_were_measured_apart_stand_on_one_page(tmp_path: Path) -> None:
    for load, words in (("loaded", "later"), ("idle", "first"), ("idle", "again")):
        taken = times(load, 0.010, 0.011)
        keep(run_of(load, taken, words, realtime=True), tmp_path / "runs")
    runs = kept(tmp_path / "runs")
    assert [(run.load, run.words) for run in runs] == [
        ("idle", "again"),
        ("loaded", "later"),
    ]
    found = [each for run in runs for each in figures(run.taken, realtime=True)]
    text = page(runs, found)
    for words in ("again", "later", "idle (10 demands)", "loaded (10 demands)"):
        assert words in text
    assert "first" not in text
    assert text.count(f"| {Ours.name} |") == 2


@pytest.mark.parametrize(
    ("ours_s", "realtime", "count", "met"),
    [
        (0.0114, True, 10, [True, None]),
        (0.0114, True, ENOUGH_FOR_P999, [True, True]),
        (0.0116, True, ENOUGH_FOR_P999, [False, True]),
        (0.0201, True, ENOUGH_FOR_P999, [False, False]),
        (0.0114, False, ENOUGH_FOR_P999, [None, None]),
    ],
)
def test_a_tail_is_judged_only_by_enough_demands_in_real_time(
    ours_s: float, realtime: bool, count: int, met: list[bool | None]
) -> None:
    found = figures(times("loaded", ours_s, 0.5, count), realtime=realtime)
    assert [each["met"] for each in found] == met


def test_a_quantile_of_few_is_the_worst() -> None:
    assert quantile([0.001, 0.002], 0.999) == 2.0
    assert quantile([0.001, 0.002, 0.003, 0.004], 0.5) == 3.0


def test_the_plc_answers_what_the_loops_ask_and_notes_the_stop() -> None:
    memory = Memory()
    registers = memory.answer(struct.pack(">BHH", 4, 0, LANES))
    assert registers[2:] == struct.pack(f">{LANES}H", *[GOOD_RAW] * LANES)
    memory.raw[1] = BAD_RAW
    for lane in range(LANES):
        memory.write_coil(lane, on=True)
    assert memory.risen.is_set()
    assert memory.answer(struct.pack(">BHH", 1, 0, LANES)) == bytes((1, 1, 0b11111))
    request = struct.pack(">BHH", 5, 1, 0)
    assert memory.answer(request) == request
    assert memory.fell[1].is_set()
    assert not memory.fell[0].is_set()
    assert memory.answer(struct.pack(">BHH", 9, 0, 0)) == bytes((0x89, 1))
    memory.make_well()
    assert memory.raw[1] == GOOD_RAW
    assert not memory.fell[1].is_set()
