"""From verdicts to an explanation: why an asset is abnormal, and what it may be.

Pure: time is that of the windows. While the asset is normal, it is remembered what is
usual; in an anomaly the symptoms are compared with that. An explanation is told when
it changes materially, not for each window.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from appliance.domain.health import Contribution, Explanation
from appliance.inference.diagnosis import likely_faults
from appliance.inference.episodes import Episode, EpisodeMemory, fingerprint_of
from appliance.inference.symptoms import (
    burst_symptoms,
    process_symptoms,
    symptoms_of_features,
)
from appliance.inference.usual import UsualSymptoms
from models.features import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.domain.health import Health, SensorFinding
    from appliance.domain.tag import TagId
    from appliance.inference.detector import Verdict
    from models.features import AssetModel, FeatureVector, Window

Examples: TypeAlias = "Mapping[str, Sequence[Mapping[str, float]]]"

TAGS_TOLD, LEAST_SHARE = 5, 0.05
RECENT = 5
"""The symptoms of so many windows are taken together, by their median."""
TELL_EACH_S = 4.0
"""An explanation that changes is told at most so often."""

_OTHER_SCORE = 1.5  # times what was told
_OTHER_CONFIDENCE = 0.25
_NS = 1_000_000_000


class Explainer:
    """Explains one asset; windows are to be shown in order.

    `quantities` says which tag tells what. What is usual is kept by mode; before there
    is a model, for the machine as it ran then.
    """

    def __init__(
        self,
        model: AssetModel,
        quantities: Mapping[str, TagId],
    ) -> None:
        self.memory = EpisodeMemory()
        self._model = model
        self._quantities = quantities
        self._burst: tuple[int, dict[str, float]] = (0, {})
        self._told: Explanation | None = None
        self._told_ns = 0
        self._is_known_there = False
        self._usual: dict[str, UsualSymptoms] = {}
        self._before = UsualSymptoms()
        self._begin()

    def use(self, model: AssetModel, examples: Examples) -> None:
        """Explain another model; `examples` are healthy rows that it has, by mode.

        What was usual in its modes is forgotten.
        """
        self._model = model
        self._usual = {}
        for mode, rows in examples.items():
            usual = self._usual[mode] = UsualSymptoms()
            for features in rows:
                named = symptoms_of_features(features, self._quantities)
                usual.remember({**features, **named})
        self._begin()

    def maintained(self, at_ns: int, what: str) -> None:
        """Begin anew: what was usual is so no longer.

        `what` was done tells what the last episode was.
        """
        self._close(at_ns)
        self.memory.tell_outcome(at_ns, what)
        self._usual, self._before = {}, UsualSymptoms()
        self._begin()

    def learn(self, window: Window, vector: FeatureVector) -> None:
        """Take a window from before there was a model: it will be learned from."""
        if self._before.wants():
            self._before.remember(self._symptoms(window, vector))

    @property
    def standing(self) -> Episode | None:
        """The episode that is not over, as far as it is known."""
        if self._since_ns is None or not self._fingerprint:
            return None
        return Episode(self._since_ns, self._since_ns, self._fingerprint)

    def recall(self, memory: EpisodeMemory, standing: Episode | None) -> None:
        """Go on from what was known before: nothing was seen yet."""
        self.memory = memory
        if standing is not None:
            self._begin(standing)

    def repeat(self) -> None:
        """Tell again what was told: it may have been lost."""
        self._is_known_there = False

    def see(
        self,
        window: Window,
        vector: FeatureVector | None,
        verdict: Verdict,
        *,
        health: Health,
        sensors: tuple[SensorFinding, ...] = (),
    ) -> str | None:
        """Take a judged window; return the text to be told, None if there is none.

        The empty text says that there is nothing to explain. Without a vector the
        window was not scored.
        """
        wanted = self._told if health.anomaly else None
        if vector is not None and math.isfinite(verdict.score):
            self._follow(window, vector, verdict, anomaly=health.anomaly)
            if health.anomaly and verdict.beyond_limit:
                wanted = self._explained(verdict)
        if wanted is not None:
            wanted = replace(wanted, sensor=sensors)
        elif sensors:
            wanted = self._of_sensors(window.end_ns, verdict, sensors)
        return self._news(wanted, window.end_ns)

    def _begin(self, standing: Episode | None = None) -> None:
        self._recent: deque[dict[str, float]] = deque(maxlen=RECENT)
        self._shares: deque[Mapping[str, float]] = deque(maxlen=RECENT)
        self._since_ns = None if standing is None else standing.since_ns
        self._fingerprint = {} if standing is None else dict(standing.fingerprint)

    def _close(self, until_ns: int) -> None:
        """Remember the episode that is over, if there was one."""
        if self._fingerprint and self._since_ns is not None:
            self.memory.add(Episode(self._since_ns, until_ns, self._fingerprint))

    def _follow(
        self, window: Window, vector: FeatureVector, verdict: Verdict, *, anomaly: bool
    ) -> None:
        """Remember what is usual, or gather what is not."""
        if not anomaly and not verdict.beyond_limit:
            self._close(window.end_ns)
            self._begin()
            usual = self._usual.setdefault(verdict.mode, UsualSymptoms())
            if usual.wants():
                usual.remember(self._symptoms(window, vector))
            return
        if not verdict.beyond_limit:
            return
        if self._since_ns is None:
            self._since_ns = window.end_ns
        self._recent.append(self._symptoms(window, vector))
        self._shares.append(verdict.features)

    def _symptoms(self, window: Window, vector: FeatureVector) -> dict[str, float]:
        """Return all that the window shows; a burst is measured once."""
        features = dict(zip(vector.names, vector.values.tolist(), strict=True))
        burst_tag = self._model.waveform_tag
        waveform = None if burst_tag is None else window.waveforms.get(burst_tag)
        burst: dict[str, float] = {}
        if waveform is not None:
            if waveform.start_ns != self._burst[0]:
                measured = burst_symptoms(self._model, window)
                self._burst = (waveform.start_ns, measured)
            burst = self._burst[1]
        return features | process_symptoms(window, self._quantities) | burst

    def _explained(self, verdict: Verdict) -> Explanation:
        symptoms = _medians(self._recent)
        changes = self._before.changes(symptoms)
        if verdict.mode in self._usual:
            changes |= self._usual[verdict.mode].changes(symptoms)
        self._fingerprint = fingerprint_of(changes)
        return Explanation(
            asset=self._model.asset,
            since_ns=self._since_ns or 0,
            mode=verdict.mode,
            score=verdict.score,
            limit=verdict.limit,
            tags=_contributions(self._shares, changes),
            likely=likely_faults(symptoms | changes, severity=self._model.severity),
            similar=self.memory.similar_to(self._fingerprint),
            zone=self._zone(symptoms),
        )

    def _zone(self, symptoms: Mapping[str, float]) -> str:
        severity = self._model.severity
        if severity is None:
            return ""
        told = symptoms.get("velocity", math.nan)
        velocity = told if math.isfinite(told) else symptoms.get("velocity_mm_s", told)
        zone = severity.zone(velocity)
        return f"zone {zone}: {velocity:.1f} mm/s by {severity}" if zone else ""

    def _of_sensors(
        self, time_ns: int, verdict: Verdict, sensors: tuple[SensorFinding, ...]
    ) -> Explanation:
        told = self._told
        since_ns = time_ns if told is None else told.since_ns
        return Explanation(
            asset=self._model.asset,
            since_ns=since_ns,
            mode=verdict.mode,
            score=verdict.score,
            limit=verdict.limit,
            sensor=sensors,
        )

    def _news(self, wanted: Explanation | None, time_ns: int) -> str | None:
        """Return the text that has to be told for this to be known."""
        told = self._told
        if self._is_known_there:
            if wanted is None and told is None:
                return None
            if wanted is not None and told is not None:
                soon = 0 <= time_ns - self._told_ns < TELL_EACH_S * _NS
                if soon or not differs(told, wanted):
                    return None
        self._told, self._told_ns, self._is_known_there = wanted, time_ns, True
        return "" if wanted is None else wanted.text()


def differs(told: Explanation, now: Explanation) -> bool:
    """Say whether a person who was told the one would act otherwise on the other."""
    if (told.since_ns, told.mode, told.sensor, told.zone[:6]) != (
        now.since_ns,
        now.mode,
        now.sensor,
        now.zone[:6],
    ):
        return True
    if [each.tag for each in told.tags[:1]] != [each.tag for each in now.tags[:1]]:
        return True
    if [each.fault for each in told.likely] != [each.fault for each in now.likely]:
        return True
    pairs = zip(told.likely, now.likely, strict=True)
    if any(abs(a.confidence - b.confidence) > _OTHER_CONFIDENCE for a, b in pairs):
        return True
    low, high = sorted((told.score, now.score))
    return not high <= _OTHER_SCORE * low


def _medians(recent: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each symptom over the windows that have it."""
    values: dict[str, list[float]] = {}
    for symptoms in recent:
        for name, value in symptoms.items():
            if math.isfinite(value):
                values.setdefault(name, []).append(value)
    return {name: median(each) for name, each in values.items()}


def _contributions(
    recent: Iterable[Mapping[str, float]], changes: Mapping[str, float]
) -> tuple[Contribution, ...]:
    """Return the tags that add most to the score, each with its first feature."""
    shares: dict[str, float] = {}
    windows = list(recent)
    for window in windows:
        for feature, share in window.items():
            shares[feature] = shares.get(feature, 0.0) + share / len(windows)
    by_tag: dict[TagId, dict[str, float]] = {}
    for feature, share in shares.items():
        by_tag.setdefault(tag_of(feature), {})[feature] = share
    told = []
    for tag, own in by_tag.items():
        first = max(own, key=own.__getitem__)
        change = changes.get(f"{first}_z", 0.0)
        direction = "up" if change > 0.0 else "down" if change < 0.0 else ""
        quantity = first.rpartition(":")[2]
        told.append(Contribution(tag, sum(own.values()), quantity, direction))
    told.sort(key=lambda each: -each.share)
    return tuple(each for each in told[:TAGS_TOLD] if each.share >= LEAST_SHARE)
