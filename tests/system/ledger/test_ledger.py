"""Random histories of real processes that get killed, cut off and filled up.

`LEDGER_SEED=N` replays one; `make soak` lives through as many as there is time for.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from fleet.broker import find_mosquitto
from tests.system.ledger.checker import violations
from tests.system.ledger.faults import Kind, plan_of
from tests.system.ledger.history import live_through
from tests.system.ledger.stage import DISK_BYTES, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

needs_mosquitto = pytest.mark.skipif(
    find_mosquitto() is None, reason="mosquitto is not installed"
)
AT_ONCE = 6
HISTORIES = 20
LONG_HISTORIES = 1000
FIRST_LONG_SEED = 1000


async def tried(seed: int, folder: Path) -> str:
    """Return what is wrong with the history of a seed, in words; nothing if whole."""
    try:
        outcome = await live_through(seed, folder)
        wrong = [*violations(outcome.seen), *outcome.problems]
    except (TimeoutError, OSError) as error:
        wrong = [f"it came to no end: {error!r}"]
    if not wrong:
        shutil.rmtree(folder)
        return ""
    return "\n  ".join([f"LEDGER_SEED={seed}, logs in {folder}:", *wrong])


async def all_tried(seeds: Iterable[int], folder: Path) -> tuple[int, list[str]]:
    """Live through histories, a few at once; return how many, and what was wrong."""
    places = asyncio.Semaphore(AT_ONCE)
    left = iter(seeds)
    found: list[str] = []
    lived = 0

    async def worker() -> None:
        nonlocal lived
        for seed in left:
            async with places:
                found.append(await tried(seed, folder / str(seed)))
            lived += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(AT_ONCE):
            tasks.create_task(worker(), name=f"ledger.{number}")
    return lived, [wrong for wrong in found if wrong]


def seeds_until(end_s: float, count: int) -> Iterator[int]:
    """Yield seeds for as long as there is time."""
    for seed in range(FIRST_LONG_SEED, FIRST_LONG_SEED + count):
        if time.monotonic() >= end_s:
            return
        yield seed


def test_a_plan_follows_from_its_seed_and_twenty_plans_hold_every_fault() -> None:
    plans = [plan_of(n, during_s=5.0, without=frozenset()) for n in range(HISTORIES)]
    again = [plan_of(n, during_s=5.0, without=frozenset()) for n in range(HISTORIES)]
    assert plans == again
    assert {fault.kind for plan in plans for fault in plan} == set(Kind)


@pytest.mark.system
@pytest.mark.alone
def test_a_disk_of_its_own_is_full_when_its_bytes_are_used(tmp_path: Path) -> None:
    with small_disk(tmp_path) as own_disk:
        if not own_disk:
            pytest.skip("only root may mount a small disk: no history fills one")
        ballast = tmp_path / "state" / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(2 * DISK_BYTES))
        ballast.unlink()
    assert not any((tmp_path / "state").iterdir())


@needs_mosquitto
@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(600)
async def test_twenty_random_histories_lose_double_and_reverse_nothing(
    tmp_path: Path,
) -> None:
    asked = os.environ.get("LEDGER_SEED")
    seeds = range(HISTORIES) if asked is None else [int(asked)]
    lived, wrong = await all_tried(seeds, tmp_path)
    assert lived == len(seeds)
    assert not wrong, "\n".join(wrong)


@needs_mosquitto
@pytest.mark.soak
async def test_a_thousand_random_histories_lose_double_and_reverse_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    length_s = max(60.0, float(os.environ.get("WHEELTAPPER_SOAK_S", "600")))
    seeds = seeds_until(time.monotonic() + length_s, LONG_HISTORIES)
    lived, wrong = await all_tried(seeds, tmp_path)
    with capsys.disabled():
        last = FIRST_LONG_SEED + lived - 1
        said = f"ledger: {lived} histories, seeds {FIRST_LONG_SEED} to {last}"
        sys.stdout.write(f"\n{said}\n")
    assert lived > 0
    assert not wrong, "\n".join(wrong)
