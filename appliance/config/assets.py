"""`[[assets]]`: machines that have health, and how it is judged."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from appliance.config.learning import ModesSettings, SensorsSettings
from appliance.runtime.settings import Settings

Rhythm: TypeAlias = Literal["crossing_hz", "dominant_hz", "centroid_hz"]
Part: TypeAlias = Literal[
    "short", "t2", "spe", "still", "neighbours", "forest", "autoencoder"
]
_ID = r"^[^/+#\s][^/+#]*$"


class BearingSettings(Settings):
    """Geometry of a rolling bearing, from its data sheet."""

    balls: int = Field(ge=3, le=100)
    ball_diameter_mm: float = Field(gt=0)
    pitch_diameter_mm: float = Field(gt=0)
    contact_angle_deg: float = Field(default=0.0, ge=0, lt=90)

    @model_validator(mode="after")
    def _balls_fit(self) -> BearingSettings:
        if self.ball_diameter_mm >= self.pitch_diameter_mm:
            raise ValueError("the balls are larger than the pitch circle")
        return self


class SeveritySettings(Settings):
    """`[assets.severity]`: by which table the overall velocity is judged, zones A to D.

    `standard` 20816-3 (machines above 15 kW, by `mounting`: is the support's first
    resonance a quarter above the running speed, it is rigid) or 10816-7 (pumps, by
    `category`: I needs high reliability).
    """

    standard: Literal["20816-3", "10816-7"]
    power_kw: float = Field(gt=0)
    mounting: Literal["rigid", "flexible"] = "rigid"
    category: Literal["I", "II"] = "II"


class QuantitiesSettings(Settings):
    """`[assets.quantities]`: which tag tells what, where its name does not say so.

    Without a word, a tag counts whose last part is the key's name (`P-101/flow`).
    """

    velocity: str | None = None
    flow: str | None = None
    suction_pressure: str | None = None
    discharge_pressure: str | None = None
    current: str | None = None
    winding_temperature: str | None = None
    bearing_temperature: str | None = None
    level: str | None = None
    valve: str | None = None


class RunningSettings(Settings):
    """The machine runs while `tag` is above `above`; `settle_s` of it are start-up."""

    tag: str
    above: float = 0.5
    settle_s: float = Field(default=5.0, ge=0)


class FailureSettings(Settings):
    """The asset counts as failed when `tag` reaches `level` (engineering units)."""

    tag: str
    level: float


class DetectionSettings(Settings):
    """Windows of `window_s`, one every `hop_s`; `tags` to score, default all.

    `false_alarms_per_week` is how many false anomalies you are ready to bear for this
    machine: the limit that is learned follows from it. `parts` make the score, the
    four that measured best by default; `neighbours`, `forest` and `autoencoder` are
    there to be tried. `features` are measured besides the usual ones, to recognise a
    past episode by how the values swung; they are not scored.
    """

    window_s: float = Field(default=10.0, gt=0)
    hop_s: float = Field(default=1.0, gt=0)
    tags: tuple[str, ...] = ()
    on_delay_s: float = Field(default=3.0, ge=0)
    false_alarms_per_week: float = Field(default=1.0, gt=0, le=1000)
    parts: tuple[Part, ...] = Field(
        default=("short", "t2", "spe", "still"), min_length=1
    )
    features: tuple[Rhythm, ...] = ()

    @field_validator("parts", "features")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("one is named twice")
        return names


class AssetSettings(Settings):
    """A machine that has health.

    `gear_teeth` of the wheel and `blades` of the impeller on the shaft that
    `speed_tag` tells of add the lines of a gear's mesh and of blade passing.
    """

    id: str = Field(pattern=_ID, max_length=64)
    kind: str = "machine"
    description: str = ""
    running: RunningSettings | None = None
    hour_meter: str | None = None
    speed_tag: str | None = None
    waveform_tag: str | None = None
    bearing: BearingSettings | None = None
    gear_teeth: int | None = Field(default=None, ge=2, le=1000)
    blades: int | None = Field(default=None, ge=2, le=200)
    severity: SeveritySettings | None = None
    quantities: QuantitiesSettings = QuantitiesSettings()
    failure: FailureSettings | None = None
    detection: DetectionSettings = DetectionSettings()
    modes: ModesSettings = ModesSettings()
    sensors: SensorsSettings = SensorsSettings()
