"""Ask the machine to be on time: scheduling class, and a heap that is not searched."""

from __future__ import annotations

import gc
import os


def ask_for_realtime(priority: int) -> str:
    """Run this thread under SCHED_FIFO at `priority`, or say why it does not.

    Threads that it starts (the journal's) stay ordinary. 0 asks for nothing.
    """
    if priority == 0:
        return "real-time scheduling is not asked for (safety.realtime_priority = 0)"
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError as error:
        return f"no real-time scheduling: {error.strerror}"
    return ""


def settle_heap() -> None:
    """Take all that is loaded by now out of the garbage collector's sight."""
    gc.collect()
    gc.freeze()
