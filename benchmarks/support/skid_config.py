"""The configuration of the simulated skid: every transmitter, the drive-end bearing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.config import check_text
from sim_plant.bearing import DRIVE_END
from sim_plant.tags import TRANSMITTERS

if TYPE_CHECKING:
    from appliance.config import Config

_TAG_TOML = """
[[sources.tags]]
id = "{tag}"
key = "{tag}"
engineering_units = "{units}"
range_low = {low}
range_high = {high}
"""
_TOML = """
config_version = 1
[site]
id = "bench"
gateway = "skid"
[[sources]]
name = "skid"
connector = "example"
file = "-"
stale_after_s = {stale_s}
{tags}
[[sources.tags]]
id = "P-101/hours_run"
key = "hours"
[[sources.tags]]
id = "P-101/DE/acceleration"
key = "acceleration"
engineering_units = "m/s2"
[[assets]]
id = "P-101"
kind = "pump"
hour_meter = "P-101/hours_run"
speed_tag = "P-101/motor/speed"
waveform_tag = "P-101/DE/acceleration"
blades = 6
[assets.running]
tag = "P-101/motor/speed"
above = 1000.0
settle_s = {settle_s}
[assets.bearing]
balls = {balls}
ball_diameter_mm = {ball_mm}
pitch_diameter_mm = {pitch_mm}
[assets.detection]
tags = [{scored}]
{detection}
[assets.modes]
tags = ["V-101/position"]
[assets.sensors]
twins = [["P-101/DE/vibration_rms", "P-101/DE/vibration_rms_B",
          "P-101/DE/vibration_rms_C"]]
"""


@dataclass(frozen=True, slots=True)
class Rates:
    """How often the skid is read and judged.

    `detection` is the section of the configuration that differs from what is shipped;
    empty for the defaults.
    """

    step_s: float = 1.0
    burst_s: float = 5.0
    settle_s: float = 30.0
    detection: str = ""


def configuration(rates: Rates) -> Config:
    """Return the configuration of the skid: all transmitters, the bearing."""
    tags = "".join(
        _TAG_TOML.format(
            tag=t.tag, units=t.unit.symbol, low=t.range_low, high=t.range_high
        )
        for t in TRANSMITTERS
    )
    scored = (t.tag for t in TRANSMITTERS)
    config, problems = check_text(
        _TOML.format(
            tags=tags,
            stale_s=max(5.0, 3.0 * rates.step_s),
            settle_s=rates.settle_s,
            balls=DRIVE_END.balls,
            ball_mm=DRIVE_END.ball_diameter_mm,
            pitch_mm=DRIVE_END.pitch_diameter_mm,
            scored=", ".join(f'"{tag}"' for tag in scored),
            detection=rates.detection,
        )
    )
    if config is None:
        raise AssertionError(problems)
    return config
