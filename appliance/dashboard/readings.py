"""The newest value of every tag, with what is known of its truth. Pure; time is given.

Ages run on our own monotonic clock from the moment a confirmation arrived, made older
by what the wall clock says it spent on the way: a clock that is set back never makes an
old value look fresh.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from appliance.dashboard.wording import decimals, number
from appliance.domain.sample import (
    STATUS_BAD_NO_COMMUNICATION,
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    STATUS_BAD_WAITING,
    Quality,
)
from appliance.wire.samples import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.wire.messages import BatchMessage, TagEntry, WaveformPart

TRAIL_POINTS = 120
TRAIL_STEP_S = 1.0
STALE_AFTER_S = 5.0
"""Where the configuration is not known."""
_NS = 1e-9
_STEPS = 5000
"""Into so many an instrument divides its range."""


class Trust(StrEnum):
    """How far a value may be believed, as one word beside it."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"
    STALE = "stale"
    NO_LINK = "no link"
    WAITING = "waiting"


_WHY_BAD = {
    STATUS_BAD_NO_COMMUNICATION: "no comm",
    STATUS_BAD_NOT_A_NUMBER: "not a no.",
    STATUS_BAD_OUT_OF_RANGE: "range",
    STATUS_BAD_SENSOR_FAILURE: "sensor",
    STATUS_BAD_WAITING: "waiting",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A tag as it is shown: a value is never without unit, trust and age."""

    tag: str
    engineering_units: str
    description: str
    range_low: float | None
    range_high: float | None
    value: float
    trust: Trust
    why: str
    age_s: float | None
    trail: tuple[float, ...]
    waveform: bool = False
    states: tuple[tuple[int, str], ...] = ()

    @property
    def state(self) -> str:
        """The word for the value, "" where it has none."""
        return next((word for known, word in self.states if known == self.value), "")

    @property
    def text(self) -> str:
        """The value with as many decimals as its instrument can tell apart."""
        low, high = self.range_low, self.range_high
        if low is None or high is None or not high > low:
            return number(self.value)
        return decimals(self.value, (high - low) / _STEPS)

    @property
    def good_value(self) -> float | None:
        """The value, if it may be believed now."""
        return self.value if self.trust is Trust.GOOD else None


@dataclass(slots=True)
class _Held:
    entry: TagEntry
    group: str = ""
    value: float = math.nan
    quality: Quality | None = None
    status: int = 0
    trail: deque[float] = field(default_factory=lambda: deque(maxlen=TRAIL_POINTS))


class Readings:
    """Filled from a hello and from batches."""

    def __init__(self) -> None:
        self.linked = False
        self.waveforms: dict[str, WaveformPart] = {}
        self.texts: dict[str, str] = {}
        self._held: dict[int, _Held] = {}
        self._numbers: dict[str, int] = {}
        self.names: tuple[str, ...] = ()
        """All tags, in the order of the table."""
        self._confirmed_s: dict[str, float] = {}
        self._stale_after_s: dict[str, float] = {}

    def know(self, tags: Iterable[TagEntry]) -> None:
        """Take the tag table of a hello; what is known of a tag already is kept."""
        before = {each.entry.name: each for each in self._held.values()}
        self._held = {}
        for entry in tags:
            held = before.get(entry.name) or _Held(entry)
            held.entry = entry
            self._held[entry.number] = held
        self._numbers = {held.entry.name: no for no, held in self._held.items()}
        self.names = tuple(self._numbers)

    def limit_ages(self, stale_after_s: Mapping[str, float]) -> None:
        """Take, by source or tag, after how long without confirmation it is stale."""
        self._stale_after_s = dict(stale_after_s)

    def take(self, message: BatchMessage, *, now_s: float, utc_ns: int) -> bool:
        """Take a batch; return False if it has tags that are not in the table.

        Raises:
            WireError: It is broken.
        """
        columns = columns_of(message)
        known = True
        for tag, value, quality, status in zip(
            columns.tag, columns.value, columns.quality, columns.status, strict=True
        ):
            held = self._held.get(tag)
            if held is None:
                known = False
                continue
            held.group = message.group or held.entry.name
            held.value, held.status = value, status
            held.quality = Quality(min(quality, Quality.GOOD))
        if message.confirms:
            delay_s = max(0.0, (utc_ns - message.receive_time_ns) * _NS)
            confirmed = {message.group} if message.group else self._names(columns.tag)
            self._confirmed_s.update(dict.fromkeys(confirmed, now_s - delay_s))
        for waveform in message.waveforms:
            if held := self._held.get(waveform.tag):
                self.waveforms[held.entry.name] = waveform
                held.group = message.group or held.entry.name
        for text in message.texts:
            if held := self._held.get(text.tag):
                self.texts[held.entry.name] = str(text.content)
        return known

    def extend_trails(self, now_s: float) -> None:
        """Let a step of time pass: each trail grows by what may be believed now."""
        for held in self._held.values():
            good = self._trust(held, now_s) is Trust.GOOD
            held.trail.append(held.value if good else math.nan)

    def __contains__(self, tag: str) -> bool:
        return tag in self._numbers

    def reading(self, tag: str, now_s: float) -> Reading | None:
        """Return a tag as it is now, or None if there is no such tag."""
        held = self._held.get(self._numbers.get(tag, -1))
        if held is None:
            return None
        trust = self._trust(held, now_s)
        bad = trust is Trust.BAD
        return Reading(
            tag=tag,
            engineering_units=held.entry.engineering_units,
            description=held.entry.description,
            range_low=held.entry.range_low,
            range_high=held.entry.range_high,
            value=held.value,
            trust=trust,
            why=_WHY_BAD.get(held.status, str(trust)) if bad else str(trust),
            age_s=self.age_s(tag, now_s),
            trail=tuple(held.trail),
            waveform=tag in self.waveforms,
            states=held.entry.states,
        )

    def good_value(self, tag: str | None, now_s: float) -> float | None:
        """Return a tag's value if it may be believed now."""
        held = self._held.get(self._numbers.get(tag or "", -1))
        if held is None or self._trust(held, now_s) is not Trust.GOOD:
            return None
        return held.value

    def age_s(self, tag: str, now_s: float) -> float | None:
        """Return the time since the tag's last confirmation; None: never."""
        held = self._held.get(self._numbers.get(tag, -1))
        confirmed_s = None if held is None else self._confirmed_s.get(held.group)
        return None if confirmed_s is None else max(0.0, now_s - confirmed_s)

    def _names(self, tags: Iterable[int]) -> set[str]:
        return {self._held[tag].entry.name for tag in tags if tag in self._held}

    def _trust(self, held: _Held, now_s: float) -> Trust:
        if not self.linked:
            return Trust.NO_LINK
        name = held.entry.name
        confirmed_s = self._confirmed_s.get(held.group)
        if held.quality is None and name not in self.waveforms:
            return Trust.WAITING
        if held.quality is Quality.BAD:
            return Trust.BAD
        age_s = math.inf if confirmed_s is None else now_s - confirmed_s
        if not age_s <= self._limit_s(name, held.group):
            return Trust.STALE
        if held.quality is Quality.GOOD and not math.isfinite(held.value):
            return Trust.BAD
        return Trust.UNCERTAIN if held.quality is Quality.UNCERTAIN else Trust.GOOD

    def _limit_s(self, name: str, group: str) -> float:
        limits = self._stale_after_s
        source = group.rsplit(".", 1)[0]
        for key in (name, group, source):
            if key in limits:
                return limits[key]
        return STALE_AFTER_S
