"""`[assets.modes]` and `[assets.sensors]`: what learning is told of a machine."""

from __future__ import annotations

import itertools
from typing import Annotated

from pydantic import Field, model_validator

from appliance.runtime.settings import Settings


class ModesSettings(Settings):
    """`[assets.modes]`: what tells one way of running from another.

    Learned: `tags` name what the operator sets (speed, setpoint, valve, load; default
    the `speed_tag`), never what the machine answers with. Or told: `tag` says it, with
    a name per value in `values`, or with `limits` that cut it into bands. After a
    change the new mode is judged when it has lasted for `dwell_s`.
    """

    tags: tuple[str, ...] = ()
    tag: str | None = None
    values: dict[str, float] = Field(default_factory=dict)
    limits: tuple[float, ...] = ()
    dwell_s: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _learned_or_told(self) -> ModesSettings:
        if self.tag is None and (self.values or self.limits):
            raise ValueError("values and limits are those of a tag: name it")
        if self.tag is not None and bool(self.values) == bool(self.limits):
            raise ValueError("a tag that tells the mode needs values, or limits")
        if self.tag is not None and self.tags:
            raise ValueError("modes are learned from tags, or told by a tag: not both")
        rising = all(a < b for a, b in itertools.pairwise(self.limits))
        if not rising or len(set(self.values.values())) < len(self.values):
            raise ValueError("limits must rise, and no value may occur twice")
        return self


class SensorsSettings(Settings):
    """`[assets.sensors]`: which instruments say the same, so that one can be accused.

    `twins` are groups of tags that measure the same; a tag that is `cross_checked`
    follows from all others while its instrument is well: say so only of a tag that no
    fault of the machine moves alone. What lasts for `after_s` is an alarm.
    """

    twins: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = ()
    cross_checked: tuple[str, ...] = ()
    after_s: float = Field(default=30.0, gt=0)
