"""One window's verdict: in which mode, by which instruments, how far from normal."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.inference.detector import Verdict
from appliance.inference.sensors import SensorWatch
from models.features import tag_of
from models.modes import UNKNOWN_NAME, ModeTrack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.domain.health import SensorFinding
    from appliance.domain.tag import TagId
    from appliance.inference.detector import BundleDetector
    from models.features import FeatureVector, Window
    from models.sensors import StandIn

UNKNOWN_AFTER_S = 600.0
"""A mode that the model does not know is worth a word when it lasts so long."""

_REMEDIES = {
    "stuck": "check the instrument and its wiring",
    "quiet": "check the instrument: its damping, or its contact with the machine",
    "spikes": "look for a loose contact or a bad shield",
    "missing": "check wire, range and address of the instrument",
    "disagrees": "compare the instruments; calibrate the one that is wrong",
    "drifts": "calibrate the instrument",
}


class Verdicts:
    """Judges the windows of one asset, in their order, by one bundle."""

    def __init__(self, detector: BundleDetector, *, sensor_after_s: float) -> None:
        self._detector = detector
        self._modes = ModeTrack(detector.mode_map)
        self._watch = SensorWatch(detector.sensors, after_s=sensor_after_s)
        self._unknown_since_ns: int | None = None
        self._unknown_s = 0.0
        self.mode = UNKNOWN_NAME
        """The name of the mode of the last window that was judged."""

    @property
    def findings(self) -> tuple[SensorFinding, ...]:
        """What is wrong with instruments now."""
        return self._watch.findings

    def judge(self, window: Window, vector: FeatureVector) -> Verdict:
        """Judge a window of the running machine.

        In an unknown mode, and across a change, there is no score: neither the machine
        nor its instruments are judged. Others stand in for a broken instrument.
        """
        now = self._modes.step(window.end_ns, vector.names, vector.values)
        self.mode = now.name
        self._count_unknown(window)
        if now.number < 0:
            return Verdict(math.nan, self._detector.limit, mode=now.name)
        report = self._watch.look(window, vector)
        verdict = self._judge(vector, now.number, report.without)
        return replace(verdict, mode=now.name)

    def _judge(
        self, vector: FeatureVector, mode: int, without: frozenset[TagId]
    ) -> Verdict:
        """Judge with what is left out put in as all the others make it likely."""
        detector = self._detector
        stand_ins = detector.sensors.stand_ins
        if without and mode < len(stand_ins):
            vector = completed(vector, stand_ins[mode], without)
            without = frozenset()
        return detector.judge(vector, mode=mode, without=without)

    def diagnostics(self, asset: str) -> Iterator[dict[str, Any]]:
        """Yield what a person should see to, as the fields of a `Diagnostic`."""
        for finding in self.findings:
            message = f"{finding.tag} is not believed: it {_WORDS[finding.finding]}"
            yield {
                "key": f"{finding.finding} {finding.tag}",
                "message": f"{message} ({finding.evidence})",
                "remedy": f"{_REMEDIES[finding.finding]}; {asset} is judged without it",
                "priority": "medium",
                "tags": [finding.tag],
            }
        if self._unknown_s >= UNKNOWN_AFTER_S:
            yield {
                "key": f"mode {asset}",
                "message": f"{asset} runs in a mode that its model does not know:"
                " nothing is said of its health",
                "remedy": f"where this is healthy, `wheeltapper learn {asset}`",
                "priority": "low",
                "tags": [],
            }

    def _count_unknown(self, window: Window) -> None:
        if self.mode != UNKNOWN_NAME:
            self._unknown_since_ns, self._unknown_s = None, 0.0
            return
        if self._unknown_since_ns is None:
            self._unknown_since_ns = window.start_ns
        self._unknown_s = (window.end_ns - self._unknown_since_ns) * 1e-9


def completed(
    vector: FeatureVector, stand_in: StandIn, without: frozenset[TagId]
) -> FeatureVector:
    """Return the vector with likely values for the features of some tags.

    Where anything else is missing too, nothing is put in.
    """
    place = {name: i for i, name in enumerate(vector.names)}
    order = [place.get(name, len(place)) for name in stand_in.features]
    row = np.append(vector.values, np.nan)[order]
    missing = np.array([tag_of(name) in without for name in stand_in.features])
    if not missing.any() or not np.isfinite(row[~missing]).all():
        return vector
    values = np.append(vector.values, np.nan)
    values[order] = stand_in.filled(row, missing)
    return replace(vector, values=values[:-1])


_WORDS = {
    "stuck": "stands still",
    "quiet": "has lost its noise",
    "spikes": "jumps and is back",
    "missing": "has no good value",
    "disagrees": "disagrees with its twins",
    "drifts": "drifts away",
}
