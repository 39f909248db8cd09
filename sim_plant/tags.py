"""The plant's tags: the one table behind both servers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Register(Enum):
    """How a tag stands in the Modbus input registers, and what a wire break reads."""

    UINT16 = 0xFFFF
    INT16 = 0x7FFF
    FLOAT32 = 0x7FC0_0000


@dataclass(frozen=True, slots=True)
class EngineeringUnit:
    """A unit as OPC UA Part 8 names it (UNECE common code)."""

    symbol: str
    unece: str
    description: str


RPM = EngineeringUnit("rpm", "RPM", "revolutions per minute")
AMPERE = EngineeringUnit("A", "AMP", "ampere")
DEGC = EngineeringUnit("degC", "CEL", "degree Celsius")
MM_S = EngineeringUnit("mm/s", "C16", "millimetre per second")
BAR = EngineeringUnit("bar", "BAR", "bar")
M3_H = EngineeringUnit("m3/h", "MQH", "cubic metre per hour")
PERCENT = EngineeringUnit("%", "P1", "percent")
HOUR = EngineeringUnit("h", "HUR", "hour")
ONE = EngineeringUnit("1", "C62", "one")
M_S2 = EngineeringUnit("m/s2", "MSK", "metre per second squared")


@dataclass(frozen=True, slots=True)
class Transmitter:
    """An instrument: what it measures, how well, and where it is served.

    `resolution` is the weight of one count, `noise` the standard deviation of what it
    presents, `lag_s` its time constant. All in engineering units.
    """

    tag: str
    unit: EngineeringUnit
    range_low: float
    range_high: float
    register: int
    resolution: float
    noise: float
    lag_s: float
    form: Register = Register.UINT16
    gain: float = 1.0


_DE = "P-101/DE/"
TRANSMITTERS: tuple[Transmitter, ...] = (
    Transmitter("P-101/motor/speed", RPM, 0, 1800, 0, 0.1, 0.3, 0.1),
    Transmitter("P-101/motor/current", AMPERE, 0, 80, 1, 0.01, 0.05, 0.1),
    Transmitter(
        "P-101/motor/winding_temperature",
        *(DEGC, -20, 200, 2, 0.1, 0.06, 3.0),
        form=Register.INT16,
    ),
    Transmitter(
        _DE + "bearing_temperature",
        *(DEGC, -20, 150, 3, 0.1, 0.06, 5.0),
        form=Register.INT16,
    ),
    Transmitter(_DE + "vibration_rms", MM_S, 0, 50, 4, 0.001, 0.006, 0.5),
    Transmitter("P-101/suction_pressure", BAR, 0, 10, 5, 0.001, 0.003, 0.1),
    Transmitter("P-101/discharge_pressure", BAR, 0, 16, 6, 0.001, 0.008, 0.1),
    Transmitter("P-101/flow", M3_H, 0, 120, 7, 0.01, 0.15, 0.5),
    Transmitter("T-101/level", PERCENT, 0, 100, 8, 0.01, 0.03, 1.0),
    Transmitter("V-101/position", PERCENT, 0, 100, 9, 0.01, 0.05, 0.1),
    Transmitter(
        _DE + "vibration_rms_B", MM_S, 0, 50, 12, 0.001, 0.006, 0.5, gain=1.004
    ),
    Transmitter(
        _DE + "vibration_rms_C", MM_S, 0, 50, 13, 0.001, 0.006, 0.5, gain=0.997
    ),
)

HOURS_RUN = "P-101/hours_run"
HOURS_REGISTER = 10
SCAN_COUNT = "PLC-1/scan_count"
SCAN_REGISTER = 14
ACCELERATION = "P-101/DE/acceleration"
RUNNING = "P-101/running"

_INDEX = {transmitter.tag: index for index, transmitter in enumerate(TRANSMITTERS)}


def transmitter_index(tag: str) -> int:
    """Position of a transmitter in `TRANSMITTERS`; KeyError names an unknown tag."""
    return _INDEX[tag]
