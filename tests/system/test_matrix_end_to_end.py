"""Every X of the test plant's matrix, by a Modbus coil and by an OPC UA node.

What stops and what is named, on a machine however busy; the fault table shows in what
time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from appliance.config import load_config
from benchmarks.faults.case import text_for
from benchmarks.faults.plan import BOTH, FACES, HEALTHY, MOTOR, ROWS, crosses, row_of
from benchmarks.faults.rig import plant_rig, safety

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.faults.plan import Row
    from benchmarks.faults.rig import Rig

pytestmark = [
    pytest.mark.system,
    pytest.mark.requirement("A9"),
    pytest.mark.requirement("A15"),
    pytest.mark.timeout(300),
]
COILS = dict(zip(BOTH, ("run_permit_request", "flush_valve_permit"), strict=True))
WITHIN_S = 60.0
WATCHDOG_MS = 30_000
PATIENT = (
    ("max_age_s = 0.4", "max_age_s = 20.0"),
    ("process_safety_time_s = 20.0", "process_safety_time_s = 200.0"),
    ("confirm_within_s = 2.0", "confirm_within_s = 60.0"),
    ("\ntimeout_s = 0.3", "\ntimeout_s = 10.0"),
    ("\ntimeout_s = 1.0", "\ntimeout_s = 10.0"),
)


@dataclass(frozen=True)
class Seen:
    """What one demand did: who fell, who tripped and by what name, what was told."""

    energised: Mapping[str, bool]
    tripped: Mapping[str, bool]
    first_out: Mapping[str, str]
    told: frozenset[str]


def energised(rig: Rig, element: str) -> bool:
    return bool(rig.plant.memory.read(COILS[element]))


async def make_demand(rig: Rig, row: Row, *, healthy: bool = False) -> None:
    """Present what demands, or take it back; a model's demand comes from the hub."""
    for tag, value in row.values.items():
        rig.plant.inject(tag, HEALTHY[tag] if healthy else value)
    if not row.values:
        when = rig.clock.utc_ns(rig.clock.now_s())
        value = 0.1 if healthy else 0.95
        await rig.ask(
            "demand", caller="hub", row=row.id, source_time_ns=when, value=value
        )


async def seen_of(rig: Rig, row: Row) -> Seen:
    """Demand on a machine that runs; return what came of it."""
    assert all(energised(rig, each) for each in BOTH)
    before = len(await rig.events("first_out"))
    places = [BOTH.index(each) for each in row.stops]
    await make_demand(rig, row)
    for element in row.stops:
        await rig.until(lambda it=element: not energised(rig, it), WITHIN_S)  # type: ignore[misc] # bound now
    status = await rig.status(
        lambda s: all(s["elements"][n]["stop"] == "confirmed" for n in places),
        WITHIN_S,
    )
    told = await rig.events("first_out")
    elements = dict(zip(BOTH, status["elements"], strict=True))
    return Seen(
        {each: energised(rig, each) for each in BOTH},
        {name: each["tripped"] for name, each in elements.items()},
        {name: each["first_out"] for name, each in elements.items()},
        frozenset(each["details"]["initiator"] for each in told[before:]),
    )


async def play(face: str, folder: Path) -> dict[str, Seen]:
    """Play every row on one gateway, which is reset after each."""
    found = {}
    async with plant_rig(folder, face) as rig:
        rig.plant.memory.watchdog_ms = WATCHDOG_MS
        text = text_for(rig, period_s=0.1)
        for key, patient in PATIENT:
            text = text.replace(key, patient)
        async with safety(rig, text):
            await rig.make_ready()
            for row in ROWS:
                found[row.id] = await seen_of(rig, row)
                await make_demand(rig, row, healthy=True)
                await rig.make_ready()
    return found


@pytest.fixture(scope="module", params=FACES)
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Seen]:
    """What was seen of each row, by one protocol."""
    return asyncio.run(play(request.param, tmp_path_factory.mktemp("matrix")))


@pytest.mark.parametrize(("row", "element"), crosses())
def test_a_demand_stops_its_element_is_named_first_and_touches_no_other(
    played: Mapping[str, Seen], row: str, element: str
) -> None:
    seen = played[row]
    assert not seen.energised[element]
    assert seen.first_out[element] == row
    for other in set(BOTH) - set(row_of(row).stops):
        assert seen.energised[other]
        assert not seen.tripped[other]
    assert seen.told == {row}


def test_the_test_plant_has_initiators_of_every_kind() -> None:
    kinds = {row.keys.get("condition", "high") for row in ROWS}
    assert kinds == {"high", "low", "outside", "rate", "deviation"}
    assert {row.keys.get("vote") for row in ROWS} >= {"2oo3", "1oo2"}
    assert {row.keys.get("source") for row in ROWS} >= {"model"}
    assert {element for _, element in crosses()} == set(BOTH)


async def test_what_does_not_load_holds_the_stop(tmp_path: Path) -> None:
    async with plant_rig(tmp_path) as rig:
        text = text_for(rig).replace('"modbus"', '"nonsense"', 1)
        async with safety(rig, text) as process:
            assert await process.wait() == 78
        assert not energised(rig, MOTOR)
        assert not rig.running


async def test_a_transmitter_that_is_not_there_holds_the_stop(tmp_path: Path) -> None:
    """The place that its initiator is read from does not exist in the device."""
    async with plant_rig(tmp_path) as rig:
        text = text_for(rig).replace("address = 5\n", "address = 500\n", 1)
        async with safety(rig, text):
            status = await rig.status(
                lambda s: "suction lost" in s["elements"][0]["causes"]
            )
            assert status["mode"] == "armed"
            assert not energised(rig, MOTOR)
            with pytest.raises(Exception, match="suction_pressure is bad"):
                await rig.ask("reset")


async def test_it_refuses_to_arm_what_it_cannot_read(tmp_path: Path) -> None:
    async with plant_rig(tmp_path) as rig:
        text = text_for(rig, mode="observe").replace("address = 5\n", "address = 500\n")
        async with safety(rig, text):
            await rig.status(lambda s: s["scan"]["scans"] > 5)
            with pytest.raises(Exception, match="suction_pressure was never good"):
                await rig.ask("mode", mode="armed")
            assert (await rig.ask("status"))["mode"] == "observe"


async def test_the_matrix_is_the_configuration(tmp_path: Path) -> None:
    async with plant_rig(tmp_path) as rig:
        path = tmp_path / "matrix.toml"
        path.write_text(text_for(rig))
        config = load_config(path)
        found = [(row, each) for row, stops in config.matrix.items() for each in stops]
        assert sorted(found) == sorted(crosses())
