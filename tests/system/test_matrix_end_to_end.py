"""Every X of the test plant's matrix, by a Modbus coil and by an OPC UA node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.config import load_config
from benchmarks.faults.cases import running, text_for
from benchmarks.faults.plan import BOTH, FACES, MOTOR, ROWS, crosses, row_of
from benchmarks.faults.rig import plant_rig, safety

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.faults.rig import Rig

pytestmark = [
    pytest.mark.system,
    pytest.mark.requirement("A9"),
    pytest.mark.requirement("A15"),
]
COILS = dict(zip(BOTH, ("run_permit_request", "flush_valve_permit"), strict=True))


def energised(rig: Rig, element: str) -> bool:
    return bool(rig.plant.memory.read(COILS[element]))


async def make_demand(rig: Rig, row: str) -> None:
    """Present what demands; a model's demand comes from the hub."""
    values = row_of(row).values
    for tag, value in values.items():
        rig.plant.inject(tag, value)
    if not values:
        when = rig.clock.utc_ns(rig.clock.now_s())
        await rig.ask("demand", caller="hub", row=row, source_time_ns=when, value=0.95)


@pytest.mark.parametrize(("row", "element"), crosses())
@pytest.mark.parametrize("face", FACES)
async def test_a_demand_stops_its_element_is_named_first_and_touches_no_other(
    face: str, row: str, element: str, tmp_path: Path
) -> None:
    async with running(tmp_path, face) as rig:
        assert all(energised(rig, each) for each in BOTH)
        await make_demand(rig, row)
        await rig.until(lambda: not energised(rig, element))
        place = BOTH.index(element)
        status = await rig.status(lambda s: s["elements"][place]["stop"] == "confirmed")
        assert status["elements"][place]["first_out"] == row
        for other in set(BOTH) - set(row_of(row).stops):
            assert energised(rig, other)
            assert not status["elements"][BOTH.index(other)]["tripped"]
        told = await rig.events("first_out")
        named = {each["details"]["initiator"] for each in told[len(BOTH) :]}
        assert named == {row}


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
