"""Is it the machine, or the instrument? Pure: time is that of the windows.

What an instrument is accused of takes its tag out of the judgement at once, so that
health does not fall for it; it becomes a finding (a maintenance alarm) when it lasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.domain.health import SensorFinding
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from models.features import FeatureVector, Window
    from models.sensors import CrossCheck, SensorCard, Sensors, Twins

STUCK, QUIET, SPIKES = "stuck", "quiet", "spikes"
MISSING, DISAGREES, DRIFTS = "missing", "disagrees", "drifts"
AFTER_S = 30.0
"""What lasts so long becomes a finding; what has been gone for as long is none."""

_NS, _MS = 1_000_000_000, 1_000_000
_QUIET_PART = 0.2  # of the least noise of a healthy window
_STILL_TIMES = 5.0  # the longest healthy standstill
_STILL_PART = 0.4  # at the end of a window: it may be stuck since then
_JUMP_RANGES = 3.0  # the widest healthy range
_JUMP_PART = 0.2  # of a window, at most, is out of place in a spike
_SPIKES_WITHIN_S, _SPIKES_MIN = 600.0, 3
_MAX_PART_OUT = 1 / 3  # of the tags: beyond it nothing would be left to judge
_GAIN_PART = 0.03  # of the level: twins are not calibrated alike
_TWINS_TO_VOTE = 3


class SensorReport(NamedTuple):
    """Tags that are not to be judged in this window, and the findings that stand."""

    without: frozenset[TagId]
    findings: tuple[SensorFinding, ...]


class _Sign(NamedTuple):
    """What speaks against an instrument in one window.

    It becomes a finding after `after_s`, and is none when gone for `hold_s`. Its tag is
    left out `at_once`, or else only as a finding.
    """

    tag: TagId
    finding: str
    evidence: str
    after_s: float
    hold_s: float
    at_once: bool = True


@dataclass(slots=True)
class _Course:
    """A sign, followed."""

    sign: _Sign
    since_ns: int
    seen_ns: int
    found: bool = False


class SensorWatch:
    """Watches the instruments of one asset, window by window, by their cards."""

    def __init__(self, sensors: Sensors, *, after_s: float = AFTER_S) -> None:
        self._sensors = sensors
        self._after_s = after_s
        self._cards = {TagId(card.tag): card for card in sensors.cards}
        self._looked_until_ns = 0
        self._still_since_ns: dict[TagId, int] = {}
        self._spikes_ns: dict[TagId, frozenset[int]] = {}
        self._courses: dict[tuple[TagId, str], _Course] = {}
        self.findings: tuple[SensorFinding, ...] = ()
        """What stood after the last look; another thread may read it."""

    def look(self, window: Window, vector: FeatureVector) -> SensorReport:
        """Take a window of the running machine and its features."""
        if window.start_ns > self._looked_until_ns:  # nobody knows what was between
            self._still_since_ns.clear()
        self._looked_until_ns = window.end_ns
        values = dict(zip(vector.names, vector.values.tolist(), strict=True))
        signs = [*self._signs_alone(window, values), *self._twin_signs(values)]
        accused = {sign.tag for sign in signs}
        signs += self._check_signs(values, accused)
        now_ns = window.end_ns
        for sign in signs:
            self._follow(sign, now_ns)
        self._let_go(now_ns)
        found = [each.sign for each in self._courses.values() if each.found]
        self.findings = tuple(
            SensorFinding(sign.tag, sign.finding, sign.evidence) for sign in found
        )
        out = {sign.tag for sign in signs if sign.at_once}
        out |= {sign.tag for sign in found}
        if len(out) > _MAX_PART_OUT * len(self._cards):
            out = set()
        return SensorReport(frozenset(out), self.findings)

    def _follow(self, sign: _Sign, now_ns: int) -> None:
        key = sign.tag, sign.finding
        course = self._courses.get(key)
        if course is None:
            course = self._courses[key] = _Course(sign, now_ns, now_ns)
        course.sign, course.seen_ns = sign, now_ns
        lasted_s = (now_ns - course.since_ns) / _NS
        course.found = course.found or lasted_s >= sign.after_s

    def _let_go(self, now_ns: int) -> None:
        """Forget what has been gone: findings after a while, mere signs at once."""
        for key, course in list(self._courses.items()):
            gone_s = (now_ns - course.seen_ns) / _NS
            if gone_s < 0.0 or gone_s > (course.sign.hold_s if course.found else 0.0):
                del self._courses[key]

    def _signs_alone(
        self, window: Window, values: Mapping[str, float]
    ) -> Iterator[_Sign]:
        for tag, card in self._cards.items():
            mean = values.get(f"{tag}:mean", math.nan)
            noise = values.get(f"{tag}:std", values.get(f"{tag}:rms", math.nan))
            if not math.isfinite(noise):
                told, after_s = "no good value arrives", self._after_s
                yield _Sign(tag, MISSING, told, after_s, after_s, at_once=False)
            elif values.get(f"{tag}:range") == 0.0 and card.still_s is not None:
                yield from self._stuck(tag, card, window, mean)
            else:
                self._still_since_ns.pop(tag, None)
                yield from self._lively(tag, card, window, values)
                if card.still_s == 0.0 and still_part(window, tag) > _STILL_PART:
                    told = "it has just come to stand still"
                    yield _Sign(tag, STUCK, told, math.inf, 0.0)

    def _stuck(
        self, tag: TagId, card: SensorCard, window: Window, mean: float
    ) -> Iterator[_Sign]:
        """Yield a sign when it stands still for longer than it ever did in health."""
        since_ns = self._still_since_ns.setdefault(tag, window.start_ns)
        stood_s = (window.end_ns - since_ns) / _NS
        usual_s = card.still_s or 0.0
        if stood_s > _STILL_TIMES * usual_s:
            often = f"at most {usual_s:.0f} s" if usual_s else "never"
            told = f"at {mean:.6g} for {stood_s:.0f} s; {often} in the healthy period"
            yield _Sign(tag, STUCK, told, self._after_s, self._after_s)

    def _lively(
        self, tag: TagId, card: SensorCard, window: Window, values: Mapping[str, float]
    ) -> Iterator[_Sign]:
        noise = values.get(f"{tag}:std", values.get(f"{tag}:rms", math.nan))
        if noise < _QUIET_PART * card.std_low:
            told = f"its noise is {noise:.2g}; at least {card.std_low:.2g} when healthy"
            yield _Sign(tag, QUIET, told, self._after_s, self._after_s)
        reach = card.range_high
        if reach is not None and values[f"{tag}:range"] > _JUMP_RANGES * reach:
            yield from self._jumps(tag, window, _JUMP_RANGES * reach)

    def _jumps(self, tag: TagId, window: Window, beyond: float) -> Iterator[_Sign]:
        """Yield a sign when single values are far out and the next is back."""
        spikes = spikes_of(window, tag, beyond)
        if spikes is None:
            return
        oldest_ns = window.end_ns - round(_SPIKES_WITHIN_S * _NS)
        seen = self._spikes_ns.get(tag, frozenset()) | spikes.times_ns
        seen = self._spikes_ns[tag] = frozenset(at for at in seen if at > oldest_ns)
        told = (
            f"{len(seen)} in {_SPIKES_WITHIN_S:.0f} s, up to {spikes.height:.3g} away"
        )
        after_s = 0.0 if len(seen) >= _SPIKES_MIN else math.inf
        yield _Sign(tag, SPIKES, told, after_s, _SPIKES_WITHIN_S)

    def _check_signs(
        self, values: Mapping[str, float], accused: AbstractSet[str]
    ) -> Iterator[_Sign]:
        """Yield who is away from what its peers say; accused ones say nothing."""
        for tag, card in self._cards.items():
            if card.check is None or accused & set(card.check.peers):
                continue
            off, limit = _off(card.check, tag, values), card.check.limit
            if abs(off) > limit:
                told = f"{off:+.3g} from what its peers say (limit {limit:.3g})"
                yield _Sign(tag, DRIFTS, told, 2.0 * self._after_s, self._after_s)

    def _twin_signs(self, values: Mapping[str, float]) -> Iterator[_Sign]:
        for twins in self._sensors.twins:
            yield from self._disagreeing(twins, values)

    def _disagreeing(
        self, twins: Twins, values: Mapping[str, float]
    ) -> Iterator[_Sign]:
        """Yield who is away from the others; of two nobody knows who: it is both."""
        levels = (
            (tag, values.get(f"{tag}:mean", math.nan) - offset)
            for tag, offset in zip(twins.tags, twins.offsets, strict=True)
        )
        known = {tag: level for tag, level in levels if math.isfinite(level)}
        for tag, level in known.items():
            others = [each for other, each in known.items() if other != tag]
            off = level - float(np.median(others or [level]))
            limit = twins.limit + _GAIN_PART * abs(level - off)
            if abs(off) <= limit:
                continue
            voted = len(known) >= _TWINS_TO_VOTE
            if voted and np.ptp(others) > 2.0 * limit:
                continue  # the others do not agree either: one of them is meant
            told = f"{off:+.3g} from its twins (limit {limit:.3g})"
            told += "" if voted else "; which of the two is wrong is not known"
            yield _Sign(TagId(tag), DISAGREES, told, self._after_s, self._after_s)


def still_part(window: Window, tag: TagId) -> float:
    """Return the part of the window (0…1) from a tag's last change to what is known."""
    own = window.slot == window.tags.index(tag) if tag in window.tags else None
    if own is None or not own.any():
        return 0.0
    value, begin_s = window.value[own], window.start_s[own]
    changes = np.flatnonzero(np.diff(value)) + 1
    since_s = float(begin_s[changes[-1]]) if len(changes) else 0.0
    return (float(window.end_s[own][-1]) - since_s) / window.duration_s


class Spikes(NamedTuple):
    """When values jumped and were back, and by how much the highest did."""

    times_ns: frozenset[int]
    height: float


def spikes_of(window: Window, tag: TagId, beyond: float) -> Spikes | None:
    """Return the spikes of a window; None where there is none.

    At most two values in a row are more than `beyond` from the window's median, and
    all of them together are a small part of it. One whose next value is not yet seen
    may be a step as well: it counts as a spike without a time.
    """
    own = window.slot == window.tags.index(tag) if tag in window.tags else None
    if own is None or not own.any():
        return None
    value, begin_s, end_s = (
        column[own] for column in (window.value, window.start_s, window.end_s)
    )
    away = np.abs(value - np.median(value))
    far = away > beyond
    longer = far[2:] & far[1:-1] & far[:-2]
    if not far.any() or far[0] or longer.any():
        return None
    if (end_s - begin_s)[far].sum() > _JUMP_PART * window.duration_s:
        return None
    first = np.flatnonzero(far[1:] & ~far[:-1]) + 1
    back = [place for place in first if not far[place:].all()]
    times_ns = (window.start_ns + round(float(begin_s[at]) * 1e3) * _MS for at in back)
    return Spikes(frozenset(times_ns), float(away.max()))


def _off(check: CrossCheck, tag: TagId, values: Mapping[str, float]) -> float:
    """Return by how much a tag is off; 0 where its peers cannot say it."""
    peers = np.array([values.get(f"{peer}:mean", math.nan) for peer in check.peers])
    within = (peers >= np.array(check.low)) & (peers <= np.array(check.high))
    own = values.get(f"{tag}:mean", math.nan)
    if not within.all() or not math.isfinite(own):
        return 0.0
    return float(own - peers @ np.array(check.weights) - check.bias)
