"""The whole plant: one pure `step`, and the `Plant` that keeps its state and noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sim_plant import faults, physics, plc
from sim_plant.faults import FaultProgress, PlantFault
from sim_plant.instruments import Presented, TransmitterState, counts, measure
from sim_plant.memory import PlcMemory
from sim_plant.plc import PlcInputs, PlcState
from sim_plant.reporting import FaultReport, Mark, fault_lines, mark_lines, plc_lines
from sim_plant.surroundings import Process, Surroundings
from sim_plant.tags import TRANSMITTERS, transmitter_index
from sim_plant.truth import TruthEntry
from sim_plant.vibration import BURST_S, VibrationSources, synthesise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sim_plant.physics import Condition, Machine, Skid
    from sim_plant.scenario import Scenario

_S_PER_H = 3_600.0
BURST_PERIOD_S = 1.0
#: Unit normals one step consumes: two for the machine, one per transmitter.
NOISES = 2 + len(TRANSMITTERS)


@dataclass(frozen=True, slots=True)
class Design:
    """What is fixed for a run."""

    skid: Skid
    faults: tuple[PlantFault, ...]
    speed: float
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class PlantState:
    """Everything that changes, at plant time `t_s`."""

    t_s: float
    plc: PlcState
    machine: Machine
    hours_run: float
    progress: tuple[FaultProgress, ...]
    reported: tuple[FaultReport, ...]  # what the truth log knows
    transmitters: tuple[TransmitterState, ...]
    marked: tuple[bool, ...]


def power_up(design: Design, scenario: Scenario, *, disarmed: bool) -> PlantState:
    """A warm machine at rest with the PLC tripped; or, disarmed, already running."""
    warm = physics.warmed_up(design.skid)
    machine = warm if disarmed else physics.at_rest(warm)
    untouched = tuple(FaultProgress() for _ in design.faults)
    truth = _true_values(design, machine, physics.Condition())
    return PlantState(
        t_s=0.0,
        plc=plc.powered_up_disarmed(0.0) if disarmed else PlcState(),
        machine=machine,
        hours_run=scenario.hours_run,
        progress=untouched,
        reported=tuple(FaultReport() for _ in design.faults),
        transmitters=tuple(
            measure(transmitter, None, value, noise=0.0, dt_s=0.0)
            for transmitter, value in zip(TRANSMITTERS, truth, strict=True)
        ),
        marked=tuple(False for _ in design.marks),
    )


def step(
    design: Design,
    state: PlantState,
    inputs: PlcInputs,
    *,
    t_s: float,
    noise: Sequence[float],
) -> tuple[PlantState, tuple[TruthEntry, ...]]:
    """Advance the plant to `t_s`: PLC scan, wear, faults, physics, instruments."""
    dt_s = t_s - state.t_s
    control = plc.step(state.plc, inputs, t_s)
    wear_h = dt_s * design.speed / _S_PER_H if control.running else 0.0
    progress = faults.grow_all(design.faults, state.progress, t_s=t_s, wear_h=wear_h)
    condition = faults.condition(design.faults, progress)
    machine = physics.step(
        design.skid,
        state.machine,
        condition,
        energised=control.running,
        now=physics.Step(t_s, dt_s, noise[0], noise[1]),
    )
    transmitters = _measure_all(
        design, state, machine, condition, progress=progress, dt_s=dt_s, noise=noise[2:]
    )
    marked = tuple(mark.is_passed_by(transmitters[mark.index]) for mark in design.marks)
    reported, fault_entries = fault_lines(
        design.faults, progress, state.reported, t_s=t_s
    )
    entries = (
        *plc_lines(state.plc, control, inputs, t_s=t_s),
        *fault_entries,
        *mark_lines(design.marks, state.marked, marked, t_s=t_s),
    )
    after = PlantState(
        t_s=t_s,
        plc=control,
        machine=machine,
        hours_run=state.hours_run + wear_h,
        progress=progress,
        reported=reported,
        transmitters=transmitters,
        marked=marked,
    )
    return after, entries


def _true_values(
    design: Design, machine: Machine, condition: Condition
) -> tuple[float, ...]:
    """What the transmitters look at, in the order of `TRANSMITTERS`."""
    vibration = physics.vibration_mm_s(design.skid, machine, condition)
    return (
        machine.rpm,
        machine.current_a,
        machine.winding_degc,
        machine.bearing_degc,
        vibration,
        machine.suction_bar,
        machine.discharge_bar,
        machine.flow_m3_h,
        100.0 * machine.level_m / physics.TANK_HEIGHT_M,
        machine.valve_pct,
        vibration,
        vibration,
    )


def _measure_all(
    design: Design,
    state: PlantState,
    machine: Machine,
    condition: Condition,
    *,
    progress: tuple[FaultProgress, ...],
    dt_s: float,
    noise: Sequence[float],
) -> tuple[TransmitterState, ...]:
    return tuple(
        measure(
            transmitter,
            before,
            value,
            noise=unit,
            dt_s=dt_s,
            wiring=wiring,
            bias=bias,
        )
        for transmitter, before, value, unit, wiring, bias in zip(
            TRANSMITTERS,
            state.transmitters,
            _true_values(design, machine, condition),
            noise,
            faults.wirings(design.faults, progress),
            faults.biases(design.faults, progress),
            strict=True,
        )
    )


@dataclass(frozen=True, slots=True)
class Burst:
    """A finished vibration burst: when it began, acceleration in m/s2."""

    start_s: float
    acceleration_m_s2: NDArray[np.float64]


class Plant:
    """The running plant: state, PLC memory, seeded noise. Time comes from outside."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int | None = None,
        speed: float | None = None,
        marks: tuple[Mark, ...] = (),
        disarmed: bool = False,
    ) -> None:
        process = Process(**scenario.process.model_dump())
        around = Surroundings(**scenario.surroundings.model_dump())
        self.design = Design(
            skid=physics.Skid(process=process, surroundings=around),
            faults=scenario.plant_faults,
            speed=scenario.speed if speed is None else speed,
            marks=marks,
        )
        self.seed = scenario.seed if seed is None else seed
        self.scenario = scenario
        self.memory = PlcMemory(maintenance_disarm=disarmed)
        self.state = power_up(self.design, scenario, disarmed=disarmed)
        seeds = np.random.SeedSequence(self.seed).spawn(2)
        self._noise, self._burst_noise = (np.random.default_rng(s) for s in seeds)
        self._next_burst_s = 0.0
        self._injected: dict[int, Presented] = {}
        self._recording: tuple[float, VibrationSources] | None = None

    def opening(self) -> tuple[TruthEntry, ...]:
        """The first lines of the truth log."""
        started = TruthEntry(
            0.0,
            "plant_started",
            {
                "seed": self.seed,
                "scenario": self.scenario.name,
                "speed": self.design.speed,
            },
        )
        if not self.state.plc.running:
            return (started,)
        return (started, TruthEntry(0.0, "running"))

    def inject(self, tag: str, value: float | None) -> None:
        """Let a transmitter present a value, as a loop calibrator does; None: a break.

        Raises:
            KeyError: No transmitter has this tag.
        """
        index = transmitter_index(tag)
        shown = 0.0 if value is None else value
        self._injected[index] = Presented(
            counts(TRANSMITTERS[index], shown), failed=value is None
        )
        self._calibrate()

    def release(self, tag: str) -> None:
        """Take the calibrator off: the transmitter measures again from the next scan.

        Raises:
            KeyError: No transmitter has this tag.
        """
        self._injected.pop(transmitter_index(tag), None)

    def _calibrate(self) -> None:
        if not self._injected:
            return
        transmitters = list(self.state.transmitters)
        for index, presented in self._injected.items():
            filtered = transmitters[index].filtered
            transmitters[index] = TransmitterState(filtered, presented)
        self.state = replace(self.state, transmitters=tuple(transmitters))

    def scan(self, t_s: float) -> tuple[TruthEntry, ...]:
        """Advance to `t_s` and let the PLC clear what clears itself."""
        inputs = self.memory.inputs()
        noise = self._noise.standard_normal(NOISES).tolist()
        self.state, entries = step(
            self.design, self.state, inputs, t_s=t_s, noise=noise
        )
        self.memory.clear(inputs, self.state.plc)
        self._calibrate()
        return entries

    def take_burst(self) -> Burst | None:
        """The burst that is complete at the present plant time, once; else None.

        A burst begins every second and lasts `BURST_S`; it shows the machine as it was
        when the burst began.
        """
        t_s = self.state.t_s
        if self._recording is None:
            if t_s >= self._next_burst_s:
                self._recording = (t_s, self.vibration_sources())
                self._next_burst_s = float(int(t_s / BURST_PERIOD_S) + 1)
            return None
        start_s, sources = self._recording
        if t_s < start_s + BURST_S:
            return None
        self._recording = None
        return Burst(start_s, synthesise(sources, self._burst_noise))

    def vibration_sources(self) -> VibrationSources:
        """What shakes the drive end at the present plant time."""
        suffered = faults.condition(self.design.faults, self.state.progress)
        return physics.vibration_sources(self.design.skid, self.state.machine, suffered)
