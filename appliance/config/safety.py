"""The cause-and-effect matrix: initiators, final elements, and how they are read."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from appliance.runtime.settings import Settings


class Mode(StrEnum):
    """`observe` judges and journals but never writes; `armed` stops the machine."""

    OBSERVE = "observe"
    ARMED = "armed"


class InitiatorSettings(Settings):
    """A row of the matrix: channels of one measurement, voted, held to a setpoint.

    `max_age_s`: a channel not confirmed for this long is late. `comms_loss_delay_s`:
    late for this long more is bad. Their sum must stay within half of
    `process_safety_time_s` (how long the machine survives the hazard).
    `frozen_after_s`: a value that stands still this long is bad; off by default.
    `source = "model"` takes the demand of the model instead of channels: the hub hands
    over the values of `tag`, a derived tag; absent or stale is no demand.
    """

    id: str = Field(min_length=1, max_length=64)
    source: Literal["field", "model"] = "field"
    channels: tuple[str, ...] = ()
    tag: str | None = None
    condition: Literal["high", "low"] = "high"
    setpoint: float = 0.0
    deadband: float = Field(default=0.0, ge=0)
    on_delay_s: float = Field(default=0.0, ge=0)
    vote: Literal["1oo1", "1oo2", "2oo2", "2oo3"] = "1oo1"
    bad_is: Literal["trip", "exclude"] = "trip"
    max_age_s: float = Field(default=0.5, gt=0)
    comms_loss_delay_s: float = Field(default=0.5, ge=0)
    process_safety_time_s: float = Field(default=5.0, gt=0)
    frozen_after_s: float | None = Field(default=None, gt=0)
    cause: str = ""
    consequence: str = ""
    action: str = ""

    @model_validator(mode="after")
    def _channels_fit_the_vote(self) -> InitiatorSettings:
        if self.source == "model":
            if self.channels:
                raise ValueError("a model's row has no channels")
            return self
        needed = int(self.vote[-1])
        if len(self.channels) != needed:
            raise ValueError(
                f"vote {self.vote} needs {needed} channels, {len(self.channels)} given"
            )
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("a channel is named twice")
        half_s = self.process_safety_time_s / 2
        if self.max_age_s + self.comms_loss_delay_s > half_s:
            raise ValueError(
                "max_age_s + comms_loss_delay_s exceeds half of"
                f" process_safety_time_s ({half_s:g} s)"
            )
        return self


class ElementSettings(Settings):
    """A column of the matrix: what is de-energised to stop.

    `output` names a safety source; `point` one of its writable points, 1 = may run.
    `heartbeat` is the point that a live scan increments. `feedback` is a tag that is
    0 when the machine has stopped; it must be so `confirm_within_s` after a trip.
    """

    id: str = Field(min_length=1, max_length=64)
    output: str
    point: str
    heartbeat: str | None = None
    feedback: str | None = None
    confirm_within_s: float = Field(default=2.0, gt=0)


class SafetySettings(Settings):
    """`[safety]` without its sources, initiators and elements (arrays of tables)."""

    mode: Mode = Mode.OBSERVE
    scan_period_s: float = Field(default=0.1, ge=0.005, le=10)
    realtime_priority: int = Field(default=0, ge=0, le=99)
