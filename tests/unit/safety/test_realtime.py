"""The machine is asked to be on time, and told why when it is not."""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
from typing import TYPE_CHECKING

import pytest

from appliance.safety import realtime

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """What the kernel is asked for, of whom; it permits it twice."""
    found: list[tuple[int, int, int]] = []

    def schedule(pid: int, policy: int, given: os.sched_param) -> None:
        found.append((pid, policy, given.sched_priority))
        if len(found) > 2:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", schedule)
    return found


def test_real_time_is_asked_for_only_when_wanted(
    asked: list[tuple[int, int, int]],
) -> None:
    assert "not asked for" in realtime.ask_for_realtime(0)
    assert realtime.ask_for_realtime(40) == ""
    assert realtime.ask_for_realtime(1) == ""
    assert "not permitted" in realtime.ask_for_realtime(40)
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    assert asked == [(0, policy, 40), (0, policy, 1), (0, policy, 40)]


def test_threads_follow_the_scan_just_below_its_priority(
    asked: list[tuple[int, int, int]],
) -> None:
    for priority in (0, 40, 1, 2):
        realtime.follow(priority)
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    assert asked == [(0, policy, 39), (0, policy, 1), (0, policy, 1)]


def test_its_loop_wakes_to_the_microsecond() -> None:
    loop = realtime.new_loop()
    try:
        began_s = loop.time()
        loop.run_until_complete(asyncio.sleep(0.0103))
        assert loop.time() - began_s >= 0.0103
        assert isinstance(vars(loop)["_selector"], selectors.SelectSelector)
    finally:
        loop.close()


def test_a_cpu_that_can_be_had_is_kept_and_another_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[tuple[int, Sequence[int]]] = []

    def keep(pid: int, cpus: Sequence[int]) -> None:
        if max(cpus) > 2:
            raise OSError(22, "Invalid argument")
        kept.append((pid, cpus))

    monkeypatch.setattr(os, "sched_setaffinity", keep)
    assert realtime.pin_to(()) == ""
    assert realtime.pin_to((1, 2)) == ""
    assert realtime.pin_to((1, 3)) == "not kept on CPU 1, 3: Invalid argument"
    assert kept == [(0, (1, 2))]


def test_a_settled_heap_is_not_searched_again() -> None:
    try:
        realtime.settle_heap()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_heap_is_searched_once_more_before_it_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(gc, "collect", lambda: done.append("collect"))
    monkeypatch.setattr(gc, "freeze", lambda: done.append("freeze"))
    realtime.settle_heap()
    assert done == ["collect", "freeze"]
