"""Induction motor behind a soft starter: speed, current, losses, temperatures.

22 kW, 400 V, 50 Hz, 4 poles. Current is the vector sum of a constant magnetising part
and a part that follows the load; heating is a first-order thermal network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SYNCHRONOUS_RPM = 1_500.0
RATED_RPM = 1_480.0
RATED_POWER_W = 22_000.0
RATED_CURRENT_A = 40.9
MAINS_HZ = 50.0
AMBIENT_DEGC = 25.0

_MAGNETISING = 0.38  # part of the rated current that flows without load
_SOFT_START = 1.65  # soft starter's limit, in rated currents
_RUN_UP_S = 0.9
_COAST_QUADRATIC, _COAST_FRICTION = 0.6, 0.1  # 1/s: the pump's torque, the bearings'

_RATED_LOSS_W = 1_784.0  # at 92.5 % efficiency
_CONSTANT_LOSS = 0.35  # iron and friction; the rest is copper and follows I^2
_WINDING_RISE_K = 80.0  # at rated load, class B rise
_WINDING_TAU_S = 600.0
_STANDSTILL_COOLING = 0.35  # the fan sits on the shaft
_COPPER_ZERO_K = 234.5  # resistance of copper is proportional to 234.5 + degC

_BEARING_RISE_K = 22.0
_BEARING_FAULT_RISE_K = 35.0
_BEARING_TAU_S = 300.0


def lag(value: float, target: float, *, dt_s: float, tau_s: float) -> float:
    """First-order approach to a target; exact and stable for any step."""
    return target + (value - target) * math.exp(-dt_s / tau_s)


def next_rpm(rpm: float, *, energised: bool, load: float, dt_s: float) -> float:
    """Run up to the speed the load allows, or coast down to standstill."""
    if energised:
        slip_rpm = (SYNCHRONOUS_RPM - RATED_RPM) * load
        return lag(rpm, SYNCHRONOUS_RPM - slip_rpm, dt_s=dt_s, tau_s=_RUN_UP_S)
    speed = rpm / RATED_RPM
    braking = _COAST_QUADRATIC * speed**2 + _COAST_FRICTION
    return max(rpm - RATED_RPM * braking * dt_s, 0.0)


def current_a(rpm: float, *, energised: bool, load: float) -> float:
    """Line current; while running up the soft starter holds it at its limit."""
    if not energised:
        return 0.0
    steady = math.hypot(_MAGNETISING, load * math.sqrt(1.0 - _MAGNETISING**2))
    running_up = min(max((0.97 * SYNCHRONOUS_RPM - rpm) / 300.0, 0.0), 1.0)
    return RATED_CURRENT_A * (steady + (_SOFT_START - steady) * running_up)


def loss_w(amperes: float, winding_degc: float) -> float:
    """Heat set free in the motor; copper loss follows current and resistance."""
    if amperes <= 0.0:
        return 0.0
    resistance = (_COPPER_ZERO_K + winding_degc) / (_COPPER_ZERO_K + 95.0)
    copper = (1.0 - _CONSTANT_LOSS) * (amperes / RATED_CURRENT_A) ** 2 * resistance
    return _RATED_LOSS_W * (_CONSTANT_LOSS + copper)


@dataclass(frozen=True, slots=True)
class Cooling:
    """How well the motor sheds heat: 1 is as built; `time_scale` hurries the clock."""

    effectiveness: float = 1.0
    time_scale: float = 1.0


def next_winding_degc(
    winding_degc: float,
    *,
    amperes: float,
    rpm: float,
    cooling: Cooling,
    dt_s: float,
    ambient_degc: float = AMBIENT_DEGC,
) -> float:
    """First-order heating; worse cooling means hotter *and* slower."""
    fan = _STANDSTILL_COOLING + (1.0 - _STANDSTILL_COOLING) * min(rpm / RATED_RPM, 1.0)
    effectiveness = fan * cooling.effectiveness
    rise_k = _WINDING_RISE_K * loss_w(amperes, winding_degc) / _RATED_LOSS_W
    return lag(
        winding_degc,
        ambient_degc + rise_k / effectiveness,
        dt_s=dt_s * cooling.time_scale,
        tau_s=_WINDING_TAU_S / effectiveness,
    )


def next_bearing_degc(
    bearing_degc: float,
    *,
    rpm: float,
    load: float,
    damage: float,
    dt_s: float,
    ambient_degc: float = AMBIENT_DEGC,
) -> float:
    """Friction heats the bearing; damage adds to it, late and slowly, as in life."""
    friction_k = _BEARING_RISE_K * (0.6 + 0.4 * load) + _BEARING_FAULT_RISE_K * damage
    target = ambient_degc + friction_k * min(rpm / RATED_RPM, 1.0)
    return lag(bearing_degc, target, dt_s=dt_s, tau_s=_BEARING_TAU_S)
