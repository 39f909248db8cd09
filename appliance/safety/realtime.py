"""Ask the machine to be on time: scheduling class, and a heap that is not searched."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def ask_for_realtime(priority: int) -> str:
    """Run this thread under SCHED_FIFO at `priority`, or say why it does not.

    Threads that it starts stay ordinary, unless they follow. 0 asks for nothing.
    """
    if priority == 0:
        return "real-time scheduling is not asked for (safety.realtime_priority = 0)"
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError as error:
        return f"no real-time scheduling: {error.strerror}"
    return ""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that wakes when it should: epoll rounds up to a millisecond.

    `select` ends at descriptor 1023; safety's link has 64 connections at most.
    """
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def follow(priority: int) -> None:
    """Run this thread just below the scan's `priority`, where that is permitted.

    An ordinary thread that is put aside while it holds the interpreter's lock would
    hold up the scan for as long as a busy machine likes.
    """
    if priority == 0:
        return
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    with contextlib.suppress(OSError):  # the scan has said already that it is not
        os.sched_setscheduler(0, policy, os.sched_param(max(1, priority - 1)))


def pin_to(cpus: Sequence[int]) -> str:
    """Keep this process on these CPUs, or say why it is not; none: leave it free.

    Threads that it starts stay there too.
    """
    if not cpus:
        return ""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        return f"not kept on CPU {', '.join(map(str, cpus))}: {error.strerror}"
    return ""


def settle_heap() -> None:
    """Take all that is loaded by now out of the garbage collector's sight."""
    gc.collect()
    gc.freeze()
