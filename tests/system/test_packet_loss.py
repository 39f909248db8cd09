"""Packets lost on a real wire: nothing stops that should not, everything that should.

`make soak SECONDS=3600` plays an hour of it; `make test` three quarters of a minute.
"""

from __future__ import annotations

import os
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from benchmarks.faults.case import running
from benchmarks.faults.plan import HEALTHY, SUCTION
from sim_plant.toxics import PacketStall

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.requirement("A8"), pytest.mark.requirement("A14")]

LOSS = PacketStall(stall_s=0.3, share=0.01)
WRITE_WITHIN_S = 0.5
BUDGET_S = 0.1 + 0.8 + WRITE_WITHIN_S
"""Of the row: a scan, its age and loss of connection, its write."""


async def nuisance_free(folder: Path, *, length_s: float, demands: int) -> None:
    """Run so long between and after so many demands."""
    random = Random(5)
    async with running(folder, "modbus", period_s=0.1) as rig:
        for relay in (rig.reads, rig.writes):
            relay.add(LOSS)
        for demand in range(demands + 1):
            rig.mark()
            until_s = time.monotonic() + length_s / (demands + 1)
            while time.monotonic() < until_s:
                await rig.until(lambda: True)
                await rig.status(lambda _: True)
                assert rig.stopped_s is None, await rig.events("first_out")
            if demand == demands:
                return
            await rig.until(lambda: True, random.random())
            rig.mark()
            rig.plant.inject(SUCTION, 0.3)
            await rig.until(lambda: rig.coil_fell_s is not None)
            assert rig.coil_fell_s is not None
            assert rig.coil_fell_s <= BUDGET_S
            status = await rig.status(lambda s: s["elements"][0]["tripped"])
            assert status["elements"][0]["first_out"] == "suction lost"
            rig.plant.inject(SUCTION, HEALTHY[SUCTION])
            await rig.make_ready()


@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_lost_packets_stop_nothing_and_hide_nothing(tmp_path: Path) -> None:
    await nuisance_free(tmp_path, length_s=35.0, demands=4)


@pytest.mark.soak
async def test_an_hour_of_lost_packets_stops_nothing(tmp_path: Path) -> None:
    length_s = max(60.0, float(os.environ.get("WHEELTAPPER_SOAK_S", "600")))
    await nuisance_free(tmp_path, length_s=length_s, demands=20)
