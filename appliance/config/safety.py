"""The cause-and-effect matrix: initiators, final elements, and how they are read."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from appliance.runtime.settings import Settings

COMPARED_AT_LEAST = 2
"""Channels of a deviation: one alone cannot be compared."""
_DAY_S = 24 * 3600.0


class Mode(StrEnum):
    """`observe` judges and journals but never writes; `armed` stops the machine."""

    OBSERVE = "observe"
    ARMED = "armed"


class InitiatorSettings(Settings):
    """A row of the matrix: channels of one measurement, voted, held to a setpoint.

    `condition`: `high` and `low` hold each channel to `setpoint`; `outside` to the band
    from `setpoint_low` to `setpoint`; `rate` holds its change per second (`direction`:
    `rise`, `fall` or `either`, over `rate_window_s`) to `setpoint`; `deviation` holds
    the spread among its good channels to `setpoint`, and takes no vote.
    `bad_is`: a bad channel counts as demanding (`trip`) or has no voice (`exclude`).
    `bypass_leaves`: what a 2oo3 becomes while one channel is bypassed; by default as
    `bad_is` has it, `1oo2` for `trip` and `2oo2` for `exclude`.
    `max_age_s`: a channel not confirmed for this long is late. `comms_loss_delay_s`:
    late for this long more is bad. The whole response time (scan, age, loss, rate
    window, on-delay, write) must stay within half of `process_safety_time_s` (how long
    the machine survives the hazard).
    `frozen_after_s`: a value that stands still this long is bad; off by default.
    `source = "model"` takes the demand of the model instead of channels: the hub hands
    over the values of `tag`, a derived tag; absent or stale is no demand.
    `cause`, `consequence` and `action` are what a person is told; none may be missing.
    """

    id: str = Field(min_length=1, max_length=64)
    source: Literal["field", "model"] = "field"
    channels: tuple[str, ...] = ()
    tag: str | None = None
    condition: Literal["high", "low", "outside", "rate", "deviation"] = "high"
    setpoint: float = 0.0
    setpoint_low: float | None = None
    deadband: float = Field(default=0.0, ge=0)
    direction: Literal["rise", "fall", "either"] = "rise"
    rate_window_s: float = Field(default=5.0, gt=0, le=3600)
    on_delay_s: float = Field(default=0.0, ge=0)
    vote: Literal["1oo1", "1oo2", "2oo2", "2oo3"] = "1oo1"
    bad_is: Literal["trip", "exclude"] = "trip"
    bypass_leaves: Literal["1oo2", "2oo2"] | None = None
    max_age_s: float = Field(default=0.5, gt=0)
    comms_loss_delay_s: float = Field(default=0.5, ge=0)
    process_safety_time_s: float = Field(default=5.0, gt=0)
    frozen_after_s: float | None = Field(default=None, gt=0)
    cause: str = ""
    consequence: str = ""
    action: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> InitiatorSettings:
        for wrong in (
            _wrong_channels(self),
            _wrong_limits(self),
            _wrong_keys(self),
            _wrong_times(self),
        ):
            if wrong:
                raise ValueError(wrong)
        return self

    def response_s(self, *, scan_period_s: float, write_within_s: float) -> float:
        """Return the longest time from the hazard to the written stop, as declared.

        The hazard may come with the loss of the connection: then its age and the loss
        run out before the on-delay begins.
        """
        window_s = self.rate_window_s if self.condition == "rate" else 0.0
        late_s = self.max_age_s + self.comms_loss_delay_s
        return scan_period_s + late_s + window_s + self.on_delay_s + write_within_s


def _wrong_channels(row: InitiatorSettings) -> str:
    if row.source == "model":
        return "a model's row has no channels" if row.channels else ""
    count = len(row.channels)
    if len(set(row.channels)) != count:
        return "a channel is named twice"
    if row.condition == "deviation":
        enough = count >= COMPARED_AT_LEAST
        return "" if enough else "a deviation needs two channels or more"
    needed = int(row.vote[-1])
    if count != needed:
        return f"vote {row.vote} needs {needed} channels, {count} given"
    return ""


def _wrong_limits(row: InitiatorSettings) -> str:
    if row.condition in {"rate", "deviation"}:
        if row.setpoint <= 0:
            return f"a {row.condition} needs a setpoint above 0"
        if row.deadband >= row.setpoint:
            return f"the deadband of a {row.condition} must be below its setpoint"
    if row.condition == "outside":
        if row.setpoint_low is None:
            return "condition outside needs setpoint_low"
        if row.setpoint_low + 2 * row.deadband >= row.setpoint:
            return "between setpoint_low and setpoint the deadbands leave nothing"
    return ""


def _wrong_keys(row: InitiatorSettings) -> str:
    """Name a key that would have no effect: whoever wrote it expects one."""
    given = row.model_fields_set
    for key, condition in (
        ("setpoint_low", "outside"),
        ("direction", "rate"),
        ("rate_window_s", "rate"),
    ):
        if key in given and row.condition != condition:
            return f"{key} belongs to condition {condition}, not {row.condition}"
    if row.condition == "deviation" and "vote" in given:
        return "a deviation takes no vote: its channels are compared"
    if row.bypass_leaves is not None and row.vote != "2oo3":
        return "bypass_leaves belongs to vote 2oo3"
    if row.source == "model" and row.condition in {"rate", "deviation"}:
        return f"a model's row cannot be a {row.condition}"
    return ""


def _wrong_times(row: InitiatorSettings) -> str:
    half_s = row.process_safety_time_s / 2
    if row.source == "field" and row.max_age_s + row.comms_loss_delay_s > half_s:
        return (
            "max_age_s + comms_loss_delay_s exceeds half of"
            f" process_safety_time_s ({half_s:g} s)"
        )
    return ""


class PermissiveSettings(Settings):
    """What must hold for a reset, and never trips: `tag` from `above` up to `below`.

    A tag of a safety source, not older than `max_age_s`. A switch is `above = 0.5`.
    """

    tag: str
    above: float | None = None
    below: float | None = None
    max_age_s: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _asks_for_something(self) -> PermissiveSettings:
        if self.above is None and self.below is None:
            raise ValueError("a permissive needs above or below")
        if self.above is None or self.below is None:
            return self
        if self.above > self.below:
            raise ValueError("no value is from above up to below")
        return self

    def holds(self, value: float) -> bool:
        """Say whether the value proves it; NaN proves nothing."""
        lowest = -math.inf if self.above is None else self.above
        highest = math.inf if self.below is None else self.below
        return lowest <= value <= highest


class ElementSettings(Settings):
    """A column of the matrix: what is de-energised to stop.

    `output` names a safety source; `point` one of its writable points, 1 = may run.
    `heartbeat` is the point that a live scan increments. `feedback` is a tag that is
    0 when the machine has stopped; it must be so `confirm_within_s` after a trip. A
    write may take a quarter of that. `permissives` must hold for a reset.
    """

    id: str = Field(min_length=1, max_length=64)
    output: str
    point: str
    heartbeat: str | None = None
    feedback: str | None = None
    confirm_within_s: float = Field(default=2.0, gt=0)
    permissives: tuple[PermissiveSettings, ...] = ()

    @property
    def write_within_s(self) -> float:
        """How long one write with its read-back may take."""
        return self.confirm_within_s / 4


class MaintenanceSettings(Settings):
    """`[safety.maintenance]`: by the PLC's consent the gateway may restart unwatched.

    `request` is a writable point of the safety source `output`: 1 asks the PLC to keep
    the machine running without our heartbeat. `granted` is a tag of a safety source:
    1 while the PLC does so. The PLC must take it back by itself when the request or
    the run permit goes to 0, when the machine stops, and after its own time limit.
    `longest_s` bounds what may be asked for; `max_age_s` how old a grant may be.
    """

    output: str
    request: str
    granted: str
    longest_s: float = Field(default=600.0, gt=0, le=3600)
    max_age_s: float = Field(default=1.0, gt=0)


class SafetySettings(Settings):
    """`[safety]` without its sources, initiators and elements (arrays of tables).

    `realtime_priority`: of SCHED_FIFO, 0 for none. `cpu_affinity`: the CPUs that the
    scan keeps to, none for any. `bypass_longest_s`: longer takes a supervisor, and
    nobody gets more than 24 h.
    """

    mode: Mode = Mode.OBSERVE
    scan_period_s: float = Field(default=0.1, ge=0.005, le=10)
    realtime_priority: int = Field(default=0, ge=0, le=99)
    cpu_affinity: tuple[Annotated[int, Field(ge=0, le=1023)], ...] = ()
    bypass_longest_s: float = Field(default=8 * 3600.0, gt=0, le=_DAY_S)
    maintenance: MaintenanceSettings | None = None
