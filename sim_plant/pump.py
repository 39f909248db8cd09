"""Centrifugal pump, its pipework and the valve: heads, flow, NPSH, cavitation.

Heads in metres of water, flow in m3/h, pressures in bar absolute. Curves follow the
affinity laws; NPSH is as in ISO 9906 (3 % head loss where the margin reaches zero).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GRAVITY_M_S2 = 9.81
DENSITY_KG_M3 = 998.0
ATMOSPHERE_BAR = 1.013
VAPOUR_BAR = 0.023  # water at 20 degC
_PA_PER_BAR = 1e5
_BAR_PER_M = DENSITY_KG_M3 * GRAVITY_M_S2 / _PA_PER_BAR
RATED_RPM = 1_480.0


@dataclass(frozen=True, slots=True)
class PumpCurve:
    """A single-stage pump at rated speed."""

    shut_off_head_m: float = 72.0
    head_drop_m_per_flow2: float = 12.0 / 80.0**2
    best_flow_m3_h: float = 80.0
    best_efficiency: float = 0.76
    npshr_base_m: float = 2.5
    npshr_m_per_flow2: float = 4.0e-4

    def head_m(self, flow_m3_h: float, rpm: float, *, cavitation: float = 0.0) -> float:
        """Head at a flow and speed; full cavitation costs a quarter of it."""
        speed = rpm / RATED_RPM
        clean = (
            self.shut_off_head_m * speed**2 - self.head_drop_m_per_flow2 * flow_m3_h**2
        )
        return max(clean, 0.0) * head_factor(cavitation)

    def npsh_required_m(self, flow_m3_h: float) -> float:
        """Suction head the pump needs to lose no more than 3 % of its head."""
        return self.npshr_base_m + self.npshr_m_per_flow2 * flow_m3_h**2

    def shaft_power_w(
        self, flow_m3_h: float, rpm: float, *, cavitation: float = 0.0
    ) -> float:
        """Power at the coupling; the efficiency parabola q(2 - q) has its top at BEP.

        Written without the division by flow, so it holds at shut-off too.
        """
        speed = rpm / RATED_RPM
        if speed <= 0.0:
            return 0.0
        best = self.best_flow_m3_h * speed
        relative = min(flow_m3_h / best, 1.7)
        head = self.head_m(flow_m3_h, rpm, cavitation=cavitation)
        weight_n_s = DENSITY_KG_M3 * GRAVITY_M_S2 * best / 3_600.0
        return weight_n_s * head / (self.best_efficiency * (2.0 - relative))


@dataclass(frozen=True, slots=True)
class Pipework:
    """What the pump works against, from tank T-101 through V-101 and back."""

    static_head_m: float = 4.0
    pipe_m_per_flow2: float = 0.0030
    valve_open_m_per_flow2: float = 5.14e-4
    valve_rangeability: float = 30.0
    suction_m_per_flow2: float = 1.9e-4
    suction_static_m: float = 5.0  # tank bottom above the pump's inlet

    def valve_m_per_flow2(self, position_pct: float) -> float:
        """Equal-percentage valve: its resistance at a position."""
        closed = 1.0 - min(max(position_pct, 0.0), 100.0) / 100.0
        return self.valve_open_m_per_flow2 * math.pow(
            self.valve_rangeability, 2.0 * closed
        )

    def discharge_m_per_flow2(self, blockage: float) -> float:
        """Discharge line of which a part is blocked (0 to below 1)."""
        return self.pipe_m_per_flow2 / (1.0 - min(blockage, 0.98)) ** 2

    def strainer_m_per_flow2(self, blockage: float) -> float:
        """Suction line with a strainer of which a part is blocked (0 to below 1)."""
        return self.suction_m_per_flow2 / (1.0 - min(blockage, 0.98)) ** 2


def head_factor(cavitation: float) -> float:
    """Part of the head that cavitation leaves: 1 without it, 0.75 when developed."""
    return 1.0 - 0.25 * cavitation


def cavitation_intensity(npsh_margin_m: float) -> float:
    """0 while there is margin; grows to 1 over the next 2 m that are missing."""
    return min(max(-npsh_margin_m / 2.0, 0.0), 1.0)


def flow_balance_m3_h(
    curve: PumpCurve,
    pipework: Pipework,
    *,
    rpm: float,
    valve_pct: float,
    strainer_blockage: float,
    cavitation: float,
    discharge_blockage: float = 0.0,
    aside_m3_h: float = 0.0,
) -> float:
    """Flow at which the pump's head equals what the pipework asks for.

    Both are parabolas in the flow, so the crossing is the root of a square. A check
    valve keeps it from going backwards. The impeller moves `aside_m3_h` more than the
    pipe gets: what a worn ring lets back, and a seal out.
    """
    factor = head_factor(cavitation)
    drive_m = (
        curve.shut_off_head_m * (rpm / RATED_RPM) ** 2 * factor - pipework.static_head_m
    )
    resistance = (
        curve.head_drop_m_per_flow2 * factor
        + pipework.discharge_m_per_flow2(discharge_blockage)
        + pipework.valve_m_per_flow2(valve_pct)
        + pipework.strainer_m_per_flow2(strainer_blockage)
    )
    half = curve.head_drop_m_per_flow2 * factor * aside_m3_h
    rest_m = max(drive_m - half * aside_m3_h, 0.0)
    return (math.sqrt(half**2 + resistance * rest_m) - half) / resistance


def suction_pressure_bar(
    pipework: Pipework, *, flow_m3_h: float, level_m: float, strainer_blockage: float
) -> float:
    """Absolute pressure at the pump's inlet; never below the vapour pressure."""
    head_m = pipework.suction_static_m + level_m
    head_m -= pipework.strainer_m_per_flow2(strainer_blockage) * flow_m3_h**2
    return max(ATMOSPHERE_BAR + head_m * _BAR_PER_M, VAPOUR_BAR)


def npsh_available_m(suction_bar: float) -> float:
    """Suction head above the vapour pressure (velocity head neglected)."""
    return (suction_bar - VAPOUR_BAR) / _BAR_PER_M


def discharge_pressure_bar(suction_bar: float, head_m: float) -> float:
    """Absolute pressure at the pump's outlet."""
    return suction_bar + head_m * _BAR_PER_M
