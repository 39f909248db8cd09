"""Priorities: the PLC runs above both loops, where that is permitted."""

from __future__ import annotations

import os

PLC_PRIORITY, LOOP_PRIORITY = 50, 40


def ask_for_realtime(priority: int) -> bool:
    """Run this program at a priority, if that is permitted; children start ordinary."""
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except PermissionError:
        return False
    return True
