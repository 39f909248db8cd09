"""The stories told to the simulated skid: every fault, and months without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim_plant.scenario import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.domain.batch import Batch
    from benchmarks.support.skid import Skid
    from sim_plant.scenario import Scenario

DAY_S = 86_400.0
ONSET_S = 120.0
"""When the fault of a run begins."""

LOADS = "schedule = [[0, 65], [500, 80], [1000, 55]]\nschedule_period_s = 1500"
"""Three loads in 25 minutes."""
DAILY_LOADS = "schedule = [[0, 55], [21600, 80], [43200, 65], [54000, 80], [75600, 55]]"
AIR = """
[surroundings]
mean_degc = 22.0
season_k = 10.0
day_k = 5.0
start_day = {day}
"""
_STOP_AT_S, _STAND_S = 10_800.0, 2_700.0  # at night, for maintenance
_NIGHTS = 2.0  # a stop every so many
_SCENARIO = """
name = "bench"
title = "made up here"
seed = {seed}
speed = 1.0
[process]
{process}
{more}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault: its table in a scenario, and what it is to be called.

    `named` are the likely faults that are right. With `sensor`, the finding that is
    right, it is the instrument: then an anomaly of the machine is false.
    """

    name: str
    toml: str
    named: tuple[str, ...] = ()
    sensor: str = ""


def _bearing(defect: str) -> str:
    return (
        f'kind = "bearing_defect"\ndefect = "{defect}"\n'
        "onset_severity = SEVERITY\ngrowth_per_h = 1e-9"
    )


def _ailment(kind: str) -> str:
    return f'kind = "{kind}"\nfinal_severity = SEVERITY'


def _blocked(kind: str) -> str:
    return f'kind = "{kind}"\nblockage = PART\ndevelop_h = 1e-6'


def _transmitter(wiring: str, tag: str) -> str:
    return f'kind = "transmitter"\nwiring = "{wiring}"\ntag = "{tag}"'


def _drift(tag: str, part: float) -> str:
    return (
        f'kind = "transmitter_drift"\ntag = "{tag}"\n'
        f"part_of_range = {part}\ndevelop_h = 0.1"
    )


MACHINE = (
    Case("outer race", _bearing("outer_race"), ("outer_race",)),
    Case("inner race", _bearing("inner_race"), ("inner_race",)),
    Case("rolling element", _bearing("ball"), ("rolling_element",)),
    Case("cage", _bearing("cage"), ("cage",)),
    Case("unbalance", _ailment("unbalance"), ("unbalance",)),
    Case("misalignment", _ailment("misalignment"), ("misalignment",)),
    Case("looseness", _ailment("looseness"), ("looseness",)),
    Case(
        "strainer blocked, then cavitation",
        _blocked("strainer_blocked"),
        ("suction_blocked", "cavitation"),
    ),
    Case("discharge blocked", _ailment("discharge_blocked"), ("discharge_blocked",)),
    Case("worn wear ring", _ailment("worn_ring"), ("worn_ring",)),
    Case("seal leak", _ailment("seal_leak"), ("seal_leak",)),
    Case(
        "cooling blocked",
        # the heating hurried: ten minutes of it in one
        _blocked("cooling_blocked") + "\nthermal_time_scale = 10.0",
        ("cooling_blocked",),
    ),
)
SENSORS = (
    Case("flow stuck", _transmitter("stuck", "P-101/flow"), sensor="stuck"),
    Case(
        "discharge pressure stuck",
        _transmitter("stuck", "P-101/discharge_pressure"),
        sensor="stuck",
    ),
    Case(
        "flow's wire broken",
        _transmitter("wire_break", "P-101/flow"),
        sensor="missing",
    ),
    Case(
        "suction pressure spikes",
        _transmitter("spikes", "P-101/suction_pressure"),
        sensor="spikes",
    ),
    Case(
        "vibration B drifts away",
        _drift("P-101/DE/vibration_rms_B", 0.06),
        sensor="disagrees",
    ),
)


def story(*, process: str = LOADS, more: str = "", seed: int = 1) -> Scenario:
    """Return a story of the plant."""
    text = _SCENARIO.format(seed=seed, process=process, more=more)
    return parse(text, place="plant_stories")


def faulty_story(
    case: Case, severity: float, *, process: str = LOADS, seed: int = 7
) -> Scenario:
    """Return a story in which one fault of a constant severity begins at `ONSET_S`."""
    table = case.toml.replace("SEVERITY", f"{severity}")
    table = table.replace("PART", f"{min(severity, 0.97)}")
    fault = f"[[faults]]\nat_s = {ONSET_S}\n{table}"
    return story(process=process, more=fault, seed=seed)


def days_of(skid: Skid, days: float) -> Iterator[Batch]:
    """Yield what is read for some days; every second night it stands for a while."""
    end_s, turn_s = skid.t_s + days * DAY_S, _NIGHTS * DAY_S
    while skid.t_s < end_s - skid.rates.step_s:
        begin_s = (skid.t_s + skid.rates.step_s / 2.0) // turn_s * turn_s
        stop_s = begin_s + _STOP_AT_S
        for at_s, press in ((stop_s, skid.stop), (stop_s + _STAND_S, skid.start)):
            if skid.t_s < at_s <= end_s:
                yield from skid.until(at_s)
                press()
        yield from skid.until(min(begin_s + turn_s, end_s))
