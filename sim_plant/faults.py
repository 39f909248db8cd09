"""Faults: what a scenario may declare, how each grows, what it does to the machine.

Growth runs on wear-hours, which pass only while the machine runs; `--speed` sets how
many of them a second holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from sim_plant.ailments import Ailment, TransmitterDrift, known_transmitter
from sim_plant.bearing import Defect
from sim_plant.declared import Declared
from sim_plant.instruments import Wiring
from sim_plant.motor import Cooling
from sim_plant.network import LinkMode  # noqa: TC001 - pydantic reads it
from sim_plant.physics import Condition
from sim_plant.tags import TRANSMITTERS, transmitter_index

#: Damage beyond functional failure (1.0) stops growing here.
DAMAGE_LIMIT = 1.5
_COOLING_AT_FULL_BLOCKAGE = 0.15


class BearingDefect(Declared):
    """A spall that grows exponentially with wear; severity 1 = functional failure."""

    kind: Literal["bearing_defect"]
    at_s: float = Field(ge=0)
    defect: Defect = Defect.OUTER_RACE
    onset_severity: float = Field(gt=0, le=1)
    growth_per_h: float = Field(gt=0)

    @property
    def what(self) -> str:
        """Name in the truth log."""
        return f"bearing_{self.defect}"

    @property
    def where(self) -> str:
        """Place in the truth log."""
        return "P-101/DE"

    def severity(self, wear_h: float) -> float:
        """Part of the way to functional failure, some wear-hours after onset."""
        grown_orders = min(self.growth_per_h * wear_h, 20.0)
        return min(self.onset_severity * math.exp(grown_orders), DAMAGE_LIMIT)


class _Blockage(Declared):
    """Something clogs up: linearly, over some wear-hours, to a final part."""

    at_s: float = Field(ge=0)
    blockage: float = Field(gt=0, lt=1)
    develop_h: float = Field(gt=0)

    def severity(self, wear_h: float) -> float:
        """Blocked part of the cross-section."""
        return self.blockage * min(wear_h / self.develop_h, 1.0)


class CoolingBlocked(_Blockage):
    """The motor's air path clogs; `thermal_time_scale` hurries the slow heating."""

    kind: Literal["cooling_blocked"]
    thermal_time_scale: float = Field(default=1.0, ge=1)

    @property
    def what(self) -> str:
        """Name in the truth log."""
        return "winding_cooling_blocked"

    @property
    def where(self) -> str:
        """Place in the truth log."""
        return "P-101/motor"


class StrainerBlocked(_Blockage):
    """The suction strainer clogs, and the pump runs out of suction head."""

    kind: Literal["strainer_blocked"]

    @property
    def what(self) -> str:
        """Name in the truth log."""
        return "suction_strainer_blocked"

    @property
    def where(self) -> str:
        """Place in the truth log."""
        return "P-101/suction"


class TransmitterFault(Declared):
    """A transmitter freezes, its wire breaks, it spikes or loses its noise, at once."""

    kind: Literal["transmitter"]
    at_s: float = Field(ge=0)
    tag: str
    wiring: Literal[Wiring.STUCK, Wiring.WIRE_BREAK, Wiring.SPIKES, Wiring.QUIET]

    @field_validator("tag")
    @classmethod
    def _known(cls, tag: str) -> str:
        return known_transmitter(tag)

    @property
    def what(self) -> str:
        """Name in the truth log."""
        return f"transmitter_{self.wiring}"

    @property
    def where(self) -> str:
        """Place in the truth log."""
        return self.tag

    def severity(self, wear_h: float) -> float:  # noqa: ARG002 - it happens at once
        """All or nothing."""
        return 1.0


class LinkFault(Declared):
    """A server cannot be reached for a while; the machine is well."""

    kind: Literal["link"]
    at_s: float = Field(ge=0)
    for_s: float = Field(gt=0)
    server: Literal["opcua", "modbus"]
    mode: LinkMode


PlantFault = (
    BearingDefect
    | CoolingBlocked
    | StrainerBlocked
    | TransmitterFault
    | Ailment
    | TransmitterDrift
)
Fault = Annotated[PlantFault | LinkFault, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class FaultProgress:
    """How far a fault has come; `since_s` is None before its onset."""

    since_s: float | None = None
    wear_h: float = 0.0
    severity: float = 0.0


def grow(
    fault: PlantFault, progress: FaultProgress, *, t_s: float, wear_h: float
) -> FaultProgress:
    """Advance a fault by some wear-hours; its onset is at `fault.at_s`."""
    if t_s < fault.at_s:
        return progress
    if progress.since_s is None:
        return FaultProgress(since_s=t_s, severity=fault.severity(0.0))
    worn_h = progress.wear_h + wear_h
    return replace(progress, wear_h=worn_h, severity=fault.severity(worn_h))


def grow_all(
    faults: tuple[PlantFault, ...],
    progress: tuple[FaultProgress, ...],
    *,
    t_s: float,
    wear_h: float,
) -> tuple[FaultProgress, ...]:
    """Advance every fault by some wear-hours."""
    return tuple(
        grow(fault, come, t_s=t_s, wear_h=wear_h)
        for fault, come in zip(faults, progress, strict=True)
    )


def condition(
    faults: tuple[PlantFault, ...], progress: tuple[FaultProgress, ...]
) -> Condition:
    """What the machine suffers from, all begun faults together."""
    suffered = Condition()
    for fault, come in zip(faults, progress, strict=True):
        if come.since_s is None:
            continue
        match fault:
            case BearingDefect(defect=defect):
                suffered = replace(suffered, defect=defect, damage=come.severity)
            case StrainerBlocked():
                suffered = replace(suffered, strainer_blockage=come.severity)
            case CoolingBlocked(thermal_time_scale=scale):
                left = 1.0 - (1.0 - _COOLING_AT_FULL_BLOCKAGE) * come.severity
                suffered = replace(suffered, cooling=Cooling(left, scale))
            case Ailment(kind=kind):
                ailing: dict[str, Any] = {kind: come.severity}
                suffered = replace(suffered, **ailing)
            case TransmitterFault() | TransmitterDrift():
                pass
    return suffered


def wirings(
    faults: tuple[PlantFault, ...], progress: tuple[FaultProgress, ...]
) -> tuple[Wiring, ...]:
    """How each transmitter is doing, in the order of `TRANSMITTERS`."""
    wired = [Wiring.LIVE] * len(TRANSMITTERS)
    for fault, come in zip(faults, progress, strict=True):
        if isinstance(fault, TransmitterFault) and come.since_s is not None:
            wired[transmitter_index(fault.tag)] = fault.wiring
    return tuple(wired)


def biases(
    faults: tuple[PlantFault, ...], progress: tuple[FaultProgress, ...]
) -> tuple[float, ...]:
    """How far each transmitter has drifted, in the order of `TRANSMITTERS`."""
    off = [0.0] * len(TRANSMITTERS)
    for fault, come in zip(faults, progress, strict=True):
        if isinstance(fault, TransmitterDrift) and come.since_s is not None:
            off[transmitter_index(fault.tag)] += fault.bias(come.severity)
    return tuple(off)
