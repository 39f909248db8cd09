"""What the learned half needs to know of an asset, and what it looks at: a window."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.features.rhythm import RHYTHMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.batch import Waveform
    from appliance.domain.tag import Tag, TagId
    from models.features.bearing import BearingGeometry
    from models.features.zones import SeverityClass

FloatColumn: TypeAlias = NDArray[np.float64]
SlotColumn: TypeAlias = NDArray[np.int64]


class Mode(StrEnum):
    """What the machine did during a whole window; only `running` is scored."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Running:
    """The machine runs while `tag` is above `above`.

    After a start it is `starting` for `settle_s`; a window is `running` only if the
    whole of it lies behind that.
    """

    tag: TagId
    above: float = 0.5
    settle_s: float = 5.0


@dataclass(frozen=True, slots=True)
class AssetModel:
    """One asset as features see it.

    `tags` give the process statistics. The waveform (m/s²) gives the vibration
    features; `speed_tag` (rpm) and `bearing` together add the defect lines, `band_hz`
    is where the envelope is taken (None: `vibration.default_band_hz`). `gear_teeth`
    and `blades` are of the wheels on that shaft. `mode_tags` tell the mode and are not
    scored for that, nor are `context_tags`, which help to name a fault. A value holds
    for `hold_s` after its last confirmation; from there on there is a gap. `rhythms`
    names the statistics of `rhythm.RHYTHMS` that are wanted of the tags as well.
    """

    asset: str
    tags: tuple[Tag, ...]
    window_s: float = 10.0
    hop_s: float = 1.0
    hold_s: float = 5.0
    running: Running | None = None
    waveform_tag: TagId | None = None
    speed_tag: TagId | None = None
    bearing: BearingGeometry | None = None
    band_hz: tuple[float, float] | None = None
    gear_teeth: int | None = None
    blades: int | None = None
    severity: SeverityClass | None = None
    mode_tags: tuple[TagId, ...] = ()
    context_tags: tuple[TagId, ...] = ()
    rhythms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.hop_s <= self.window_s:
            raise ValueError("needs 0 < hop_s <= window_s")
        if not self.hold_s > 0:
            raise ValueError("needs hold_s > 0")
        strange = [name for name in self.rhythms if name not in RHYTHMS]
        if strange:
            raise ValueError(f"no such features: {', '.join(strange)}")

    @property
    def has_lines(self) -> bool:
        """Whether defect lines can be told: waveform, speed and geometry are known."""
        known = (self.waveform_tag, self.speed_tag, self.bearing)
        return all(each is not None for each in known)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """An interval of an asset: what each tag was, as a step function of time.

    Columns of equal length, sorted by `slot` (the position in `tags`) and time: from
    `start_s` to `end_s` (seconds after the window's begin) the tag had `value`. Only
    good, confirmed values are there; what is missing is a gap. `waveforms` hold the
    newest good burst received within the window. `running_s` is how long the machine
    had run by the end; NaN where its start was not seen.
    """

    asset: str
    start_ns: int
    end_ns: int
    mode: Mode
    tags: tuple[TagId, ...]
    slot: SlotColumn
    start_s: FloatColumn
    end_s: FloatColumn
    value: FloatColumn
    waveforms: Mapping[TagId, Waveform] = field(default_factory=dict)
    running_s: float = math.nan

    @property
    def duration_s(self) -> float:
        """Length of the window in seconds."""
        return (self.end_ns - self.start_ns) * 1e-9

    def coverage(self) -> FloatColumn:
        """Return, per tag, the part of the window for which a value is known (0…1)."""
        known_s = np.bincount(
            self.slot, weights=self.end_s - self.start_s, minlength=len(self.tags)
        )
        return np.minimum(known_s / self.duration_s, 1.0)

    def recent_mean(self, tag: TagId, last_s: float) -> float:
        """Return a tag's mean over the window's last seconds; NaN where unknown."""
        if tag not in self.tags:
            return math.nan
        own = self.slot == self.tags.index(tag)
        begin_s = np.maximum(self.start_s[own], self.duration_s - last_s)
        held_s = np.maximum(self.end_s[own] - begin_s, 0.0)
        total_s = float(held_s.sum())
        return float(held_s @ self.value[own]) / total_s if total_s > 0.0 else math.nan
