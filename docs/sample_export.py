"""Write the samples of `docs/how-to/backtest-your-historian.md`: simulated pumps.

A pump, recorded once a second as a historian with German settings would export it:
healthy for a quarter of an hour, then the strainer in its suction line blocks. And
pumps whose wear rings were run until they failed, a row per day.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sim_plant.physics import (
    Condition,
    Machine,
    Skid,
    Step,
    step,
    vibration_mm_s,
    warmed_up,
)

PLACE = Path(__file__).parent / "how-to" / "samples"

_ROWS, _FAULT_FROM, _BLOCKED_AT_END = 1500, 1000, 0.75
_STEPS = 10
_START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
_HEAD = (
    "Zeitstempel;Durchfluss [m3/h];Druck [bar];Strom [A];Lager [°C];"
    "Schwingung [mm/s];Schicht"
)
_NOISE = (0.15, 0.01, 0.05, 0.03, 0.02)


def pump(seed: int = 7) -> list[str]:
    """Return the lines of the pump's export."""
    chance = random.Random(seed)  # noqa: S311 - noise of instruments
    skid = Skid()
    machine = warmed_up(skid)
    lines = [_HEAD]
    for row in range(_ROWS):
        part = max(0.0, (row - _FAULT_FROM) / (_ROWS - _FAULT_FROM))
        condition = Condition(strainer_blockage=_BLOCKED_AT_END * part)
        machine = _second(skid, machine, condition, chance, at_s=row)
        values = _measured(skid, machine, condition, chance)
        cells = [f"{value:.3f}".replace(".", ",") for value in values]
        moment = _START + timedelta(seconds=row)
        shift = "Früh" if row < _ROWS // 2 else "Spät"
        lines.append(";".join([f"{moment:%d.%m.%Y %H:%M:%S}", *cells, shift]))
    lines[400] = lines[400].rsplit(";", 2)[0] + ";Bad Input;Früh"
    return lines


def wear_rings(units: int, *, to_failure: bool, seed: int) -> list[str]:
    """Return the lines of some pumps' lives, a row per day."""
    chance = random.Random(seed)  # noqa: S311 - noise of instruments
    skid = Skid()
    lines = ["unit,cycle,flow,pressure,current,bearing,vibration"]
    for unit in range(1, units + 1):
        life = chance.randint(60, 110)
        last = life if to_failure else chance.randint(life // 2, life - 5)
        machine = warmed_up(skid)
        for day in range(1, last + 1):
            condition = Condition(worn_ring=(day / life) ** 3)
            machine = _second(skid, machine, condition, chance, at_s=86_400 * day)
            values = _measured(skid, machine, condition, chance)
            cells = ",".join(f"{value:.3f}" for value in values)
            lines.append(f"{unit},{day},{cells}")
    return lines


def _second(
    skid: Skid,
    machine: Machine,
    condition: Condition,
    chance: random.Random,
    *,
    at_s: float,
) -> Machine:
    for number in range(_STEPS):
        now = Step(
            at_s + number / _STEPS,
            1.0 / _STEPS,
            chance.gauss(0.0, 1.0),
            chance.gauss(0.0, 1.0),
        )
        machine = step(skid, machine, condition, energised=True, now=now)
    return machine


def _measured(
    skid: Skid, machine: Machine, condition: Condition, chance: random.Random
) -> list[float]:
    true = (
        machine.flow_m3_h, machine.discharge_bar, machine.current_a,
        machine.bearing_degc, vibration_mm_s(skid, machine, condition),
    )  # fmt: skip
    return [
        value + chance.gauss(0.0, noise)
        for value, noise in zip(true, _NOISE, strict=True)
    ]


def main() -> None:
    """Write the three files."""
    PLACE.mkdir(parents=True, exist_ok=True)
    german = "\r\n".join([*pump(), ""]).encode("latin-1")
    (PLACE / "pump-P-101.csv").write_bytes(german)
    failed = wear_rings(12, to_failure=True, seed=3)
    running = wear_rings(4, to_failure=False, seed=4)
    for name, lines in (("rings-failed", failed), ("rings-running", running)):
        (PLACE / f"{name}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
