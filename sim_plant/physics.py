"""The pump skid as one body: motor, drive-end bearing, pump, valve, tank.

`step` is pure: state, controls and unit normal noise in, state out. Speed in rpm, flow
in m3/h, pressure in bar absolute, temperature in degC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sim_plant import motor, pump
from sim_plant.bearing import DRIVE_END, BearingGeometry, Defect
from sim_plant.motor import Cooling, lag
from sim_plant.surroundings import Process, Surroundings
from sim_plant.vibration import Impacts, Line, VibrationSources, overall_velocity_mm_s

TANK_HEIGHT_M = 3.0
_TANK_AREA_M2 = 6.0
_RETURN_TAU_S = 6.0  # the water's way from V-101 back into T-101
_FLOW_TAU_S = 0.4  # inertia of the water in the pipe
_VALVE_TAU_S = 0.8
_DEMAND_TAU_S = 6.0  # how fast the process wanders
_SHAKE_TAU_S = 1.5  # how fast the vibration's level wanders

#: Velocity of a healthy machine at rated speed and best flow, mm/s RMS, by order.
_SHAFT_LINES = ((1.0, 0.92), (2.0, 0.36), (3.0, 0.18))
_VANES, _VANE_LINE_MM_S = 6.0, 0.34
_MAINS_LINE_MM_S = 0.26  # at twice the mains frequency
_FLOOR_M_S2, _SENSOR_FLOOR_M_S2 = 0.50, 0.03
_CAVITATION_HISS_M_S2, _CAVITATION_FLOOR_M_S2 = 24.0, 1.5
#: A defect of severity 1 (functional failure) in the same terms.
_DAMAGE_LINES = ((1.0, 0.74), (2.0, 0.50), (3.0, 0.36), (4.0, 0.26))
_DAMAGE_MM_S = 11.1
_DAMAGE_BLOW_M_S2 = 60.0
#: What ailments of severity 1 add, in the same terms, by order of the shaft's turns.
_UNBALANCE_LINES = ((1.0, 7.0),)
_MISALIGNMENT_LINES = ((1.0, 2.2), (2.0, 6.0), (3.0, 1.8))
_LOOSENESS_LINES = tuple((n / 2.0, 2.9 / (1.0 + 0.12 * n)) for n in range(1, 13))
_RING_BACK_M3_H, _SEAL_LEAK_M3_H = 22.0, 6.0
_DISCHARGE_BLOCKED, _MISALIGNMENT_HEAT = 0.75, 0.3  # of the bore; of damage's heat


@dataclass(frozen=True, slots=True)
class Skid:
    """What is bolted together and does not change."""

    curve: pump.PumpCurve = field(default_factory=pump.PumpCurve)
    pipework: pump.Pipework = field(default_factory=pump.Pipework)
    bearing: BearingGeometry = DRIVE_END
    process: Process = field(default_factory=Process)
    surroundings: Surroundings = field(default_factory=Surroundings)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is wrong with the machine at this moment; the defaults are a healthy one."""

    defect: Defect = Defect.OUTER_RACE
    damage: float = 0.0
    strainer_blockage: float = 0.0
    cooling: Cooling = field(default_factory=Cooling)
    unbalance: float = 0.0
    misalignment: float = 0.0
    looseness: float = 0.0
    worn_ring: float = 0.0
    seal_leak: float = 0.0
    discharge_blocked: float = 0.0


@dataclass(frozen=True, slots=True)
class Machine:
    """The physical state of the skid."""

    rpm: float = 0.0
    load: float = 0.0  # shaft power in rated powers
    current_a: float = 0.0
    winding_degc: float = motor.AMBIENT_DEGC
    bearing_degc: float = motor.AMBIENT_DEGC
    flow_m3_h: float = 0.0
    return_m3_h: float = 0.0
    level_m: float = 2.1
    valve_pct: float = 65.0
    demand: float = 0.0  # unit normal wander of the process
    shake: float = 0.0  # unit normal wander of the vibration
    suction_bar: float = pump.ATMOSPHERE_BAR
    discharge_bar: float = pump.ATMOSPHERE_BAR
    npsh_margin_m: float = 10.0
    cavitation: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of time: how long, when, and the two noises that drive wandering."""

    t_s: float
    dt_s: float
    demand_noise: float = 0.0
    shake_noise: float = 0.0


def step(
    skid: Skid, machine: Machine, condition: Condition, *, energised: bool, now: Step
) -> Machine:
    """Advance the skid by `now.dt_s` seconds."""
    machine = _valve(skid, machine, now)
    machine = _hydraulics(skid, machine, condition, dt_s=now.dt_s)
    machine = _drive(skid, machine, condition, energised=energised, dt_s=now.dt_s)
    ambient_degc = skid.surroundings.ambient_degc(now.t_s)
    machine = _heat(machine, condition, dt_s=now.dt_s, ambient_degc=ambient_degc)
    return replace(
        machine, shake=_wander(machine.shake, now.shake_noise, now.dt_s, _SHAKE_TAU_S)
    )


def _wander(value: float, noise: float, dt_s: float, tau_s: float) -> float:
    """Ornstein-Uhlenbeck process of unit variance, exact for any step."""
    keep = math.exp(-dt_s / tau_s)
    return value * keep + noise * math.sqrt(1.0 - keep * keep)


def _valve(skid: Skid, machine: Machine, now: Step) -> Machine:
    process = skid.process
    demand = _wander(machine.demand, now.demand_noise, now.dt_s, _DEMAND_TAU_S)
    swing = math.sin(2.0 * math.pi * now.t_s / process.swing_period_s)
    set_pct = process.wanted_pct(now.t_s)
    wanted = set_pct + process.swing_pct * swing + process.wander_pct * demand
    position = lag(machine.valve_pct, wanted, dt_s=now.dt_s, tau_s=_VALVE_TAU_S)
    return replace(machine, demand=demand, valve_pct=min(max(position, 0.0), 100.0))


def _hydraulics(
    skid: Skid, machine: Machine, condition: Condition, *, dt_s: float
) -> Machine:
    blockage = condition.strainer_blockage
    balance = pump.flow_balance_m3_h(
        skid.curve,
        skid.pipework,
        rpm=machine.rpm,
        valve_pct=machine.valve_pct,
        strainer_blockage=blockage,
        cavitation=machine.cavitation,
        discharge_blockage=_DISCHARGE_BLOCKED * condition.discharge_blocked,
        aside_m3_h=_aside_m3_h(machine, condition),
    )
    flow = lag(machine.flow_m3_h, balance, dt_s=dt_s, tau_s=_FLOW_TAU_S)
    back = lag(machine.return_m3_h, flow, dt_s=dt_s, tau_s=_RETURN_TAU_S)
    lost = _leak_m3_h(machine, condition)
    level = machine.level_m + (back - flow - lost) / 3_600.0 / _TANK_AREA_M2 * dt_s
    suction = pump.suction_pressure_bar(
        skid.pipework, flow_m3_h=flow, level_m=level, strainer_blockage=blockage
    )
    margin = pump.npsh_available_m(suction) - skid.curve.npsh_required_m(flow)
    bubbles = pump.cavitation_intensity(margin) if flow > 1.0 else 0.0
    cavitation = lag(machine.cavitation, bubbles, dt_s=dt_s, tau_s=_FLOW_TAU_S)
    moved = flow + _aside_m3_h(machine, condition)
    head = skid.curve.head_m(moved, machine.rpm, cavitation=cavitation)
    return replace(
        machine,
        flow_m3_h=flow,
        return_m3_h=back,
        level_m=min(max(level, 0.0), TANK_HEIGHT_M),
        suction_bar=suction,
        discharge_bar=pump.discharge_pressure_bar(suction, head),
        npsh_margin_m=margin,
        cavitation=cavitation,
    )


def _leak_m3_h(machine: Machine, condition: Condition) -> float:
    """What a seal lets out, before the flow transmitter; the head drives it."""
    return _SEAL_LEAK_M3_H * condition.seal_leak * machine.rpm / motor.RATED_RPM


def _aside_m3_h(machine: Machine, condition: Condition) -> float:
    """What the impeller moves and the pipe does not get: worn ring, leaking seal."""
    back = _RING_BACK_M3_H * condition.worn_ring * machine.rpm / motor.RATED_RPM
    return back + _leak_m3_h(machine, condition)


def _drive(
    skid: Skid,
    machine: Machine,
    condition: Condition,
    *,
    energised: bool,
    dt_s: float,
) -> Machine:
    moved = machine.flow_m3_h + _aside_m3_h(machine, condition)
    power_w = skid.curve.shaft_power_w(
        moved, machine.rpm, cavitation=machine.cavitation
    )
    load = power_w / motor.RATED_POWER_W
    rpm = motor.next_rpm(machine.rpm, energised=energised, load=load, dt_s=dt_s)
    amperes = motor.current_a(rpm, energised=energised, load=load)
    return replace(machine, rpm=rpm, load=load, current_a=amperes)


def _heat(
    machine: Machine, condition: Condition, *, dt_s: float, ambient_degc: float
) -> Machine:
    winding = motor.next_winding_degc(
        machine.winding_degc,
        amperes=machine.current_a,
        rpm=machine.rpm,
        cooling=condition.cooling,
        dt_s=dt_s,
        ambient_degc=ambient_degc,
    )
    bearing = motor.next_bearing_degc(
        machine.bearing_degc,
        rpm=machine.rpm,
        load=machine.load,
        damage=condition.damage + _MISALIGNMENT_HEAT * condition.misalignment,
        dt_s=dt_s,
        ambient_degc=ambient_degc,
    )
    return replace(machine, winding_degc=winding, bearing_degc=bearing)


def warmed_up(skid: Skid) -> Machine:
    """The skid after a long healthy run at its operating point."""
    machine, healthy = Machine(), Condition()
    for _ in range(600):
        settle = Step(t_s=0.0, dt_s=0.1)
        machine = step(skid, machine, healthy, energised=True, now=settle)
    for _ in range(30):
        ambient_degc = skid.surroundings.ambient_degc(0.0)
        machine = _heat(machine, healthy, dt_s=36_000.0, ambient_degc=ambient_degc)
    return machine


def at_rest(machine: Machine) -> Machine:
    """The same skid just stopped: still warm, nothing turns, nothing flows."""
    stopped = replace(machine, rpm=0.0, load=0.0, current_a=0.0)
    pipe_m3 = machine.return_m3_h / 3_600.0 * _RETURN_TAU_S
    level = machine.level_m + pipe_m3 / _TANK_AREA_M2
    return replace(stopped, flow_m3_h=0.0, return_m3_h=0.0, level_m=level)


def vibration_sources(
    skid: Skid, machine: Machine, condition: Condition
) -> VibrationSources:
    """What shakes the drive end now; forces grow with the square of the speed."""
    shaft_hz = machine.rpm / 60.0
    speed2 = (machine.rpm / motor.RATED_RPM) ** 2
    shake = max(1.0 + 0.02 * machine.shake, 0.0) * speed2
    off_best = machine.flow_m3_h / skid.curve.best_flow_m3_h - 1.0
    vane = _VANE_LINE_MM_S * (1.0 + 2.0 * off_best**2)
    lines = [Line(order * shaft_hz, level * shake) for order, level in _SHAFT_LINES]
    lines.append(Line(_VANES * shaft_hz, vane * shake))
    if machine.current_a > 0.0:
        lines.append(Line(2.0 * motor.MAINS_HZ, _MAINS_LINE_MM_S * machine.load))
    lines += _ailing_lines(condition, shaft_hz, shake)
    blows = None
    if condition.damage > 0.0 and shaft_hz > 0.0:
        rate_hz = skid.bearing.impact_orders(condition.defect) * shaft_hz
        strength = _DAMAGE_MM_S * condition.damage * shake
        lines += [Line(n * rate_hz, part * strength) for n, part in _DAMAGE_LINES]
        blows = _impacts(skid, condition, rate_hz=rate_hz, speed2=speed2)
    floor = _FLOOR_M_S2 * speed2 + _CAVITATION_FLOOR_M_S2 * machine.cavitation
    return VibrationSources(
        lines=tuple(lines),
        impacts=blows,
        floor_m_s2=floor + _SENSOR_FLOOR_M_S2,
        hiss_m_s2=_CAVITATION_HISS_M_S2 * machine.cavitation,
    )


def _ailing_lines(condition: Condition, shaft_hz: float, shake: float) -> list[Line]:
    tables = (
        (_UNBALANCE_LINES, condition.unbalance),
        (_MISALIGNMENT_LINES, condition.misalignment),
        (_LOOSENESS_LINES, condition.looseness),
    )
    return [
        Line(order * shaft_hz, level * severity * shake)
        for lines, severity in tables
        for order, level in lines
        if severity > 0.0
    ]


def _impacts(
    skid: Skid, condition: Condition, *, rate_hz: float, speed2: float
) -> Impacts:
    """Blows grow with the root of the damage: loud early, long before the overall."""
    orders = skid.bearing.modulation_orders(condition.defect)
    shaft_hz = rate_hz / skid.bearing.impact_orders(condition.defect)
    return Impacts(
        rate_hz=rate_hz,
        amplitude_m_s2=_DAMAGE_BLOW_M_S2 * math.sqrt(condition.damage) * speed2,
        modulation_hz=orders * shaft_hz,
        modulation_depth=0.6 if orders > 0.0 else 0.0,
    )


def vibration_mm_s(skid: Skid, machine: Machine, condition: Condition) -> float:
    """Overall drive-end velocity RMS in 10-1000 Hz."""
    return overall_velocity_mm_s(vibration_sources(skid, machine, condition))
