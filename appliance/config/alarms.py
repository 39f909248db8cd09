"""`[[alarms]]`: which rule watches which tag, and what the operator shall do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from appliance.runtime.settings import Settings

_WITH_SETPOINT = frozenset({"high", "high_high", "low", "low_low", "rate"})


class SuppressedWhileSettings(Settings):
    """The alarm means nothing while `tag` is above, below, or equal to.

    Every limit that is given must hold, and a bad or stale value suppresses nothing.
    """

    tag: str
    above: float | None = None
    below: float | None = None
    equals: float | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> SuppressedWhileSettings:
        if self.above is None and self.below is None and self.equals is None:
            raise ValueError("say above, below, or equals")
        return self


class AlarmSettings(Settings):
    """One alarm: which rule watches which tag, and what the operator shall do.

    `rule`: `high`, `low`, and `high_high`, `low_low` beyond them (setpoint, deadband),
    `rate` (setpoint per second, either way), `stale` (no confirmation for the source's
    `stale_after_s`), `bad` (quality bad), `score` (an asset's anomaly score above its
    limit).

    With a `count`, so many onsets within `count_within_s` count too, however short.
    `realarm_after_s` announces it again while it stays active. It may be shelved for
    `shelve_max_s`; 0 forbids it. While the alarm named by `parent` (`TAG:RULE`) stands
    and is announced, this one lives on but is not announced, unless it has the higher
    priority.
    """

    tag: str
    rule: Literal[
        "high", "high_high", "low", "low_low", "rate", "stale", "bad", "score"
    ]
    setpoint: float | None = None
    deadband: float = Field(default=0.0, ge=0)
    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    count: int | None = Field(default=None, ge=2, le=1000)
    count_within_s: float | None = Field(default=None, gt=0)
    realarm_after_s: float | None = Field(default=None, ge=60)
    shelve_max_s: float = Field(default=28_800.0, ge=0, le=604_800)
    suppressed_while: SuppressedWhileSettings | None = None
    parent: str | None = None
    priority: Literal["low", "medium", "high", "critical"] = "medium"
    latched: bool = False
    cause: str = ""
    consequence: str = ""
    action: str = ""
    respond_within_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _limit_rules_have_a_setpoint(self) -> AlarmSettings:
        if self.rule in _WITH_SETPOINT and self.setpoint is None:
            raise ValueError(f"rule {self.rule!r} needs a setpoint")
        return self

    @model_validator(mode="after")
    def _a_count_has_a_window(self) -> AlarmSettings:
        if (self.count is None) != (self.count_within_s is None):
            raise ValueError("count and count_within_s go together")
        if self.count is not None and not self.on_delay_s:
            raise ValueError("without an on_delay_s the first onset counts already")
        return self

    @property
    def id(self) -> str:
        """Name of the alarm: its tag and rule."""
        return f"{self.tag}:{self.rule}"
