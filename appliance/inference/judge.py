"""One asset, from batches to a derived batch: window → features → score → health."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from appliance.inference.asset import asset_model
from appliance.inference.derived import Derived
from appliance.inference.detector import Verdict
from appliance.inference.drift import DriftWatch
from appliance.inference.episodes import EpisodeMemory
from appliance.inference.explain import Explainer
from appliance.inference.health import HealthTrack
from appliance.inference.memory import SCHEMA, AssetMemory, recall_drift
from appliance.inference.moves import Changes
from appliance.inference.newest import Newest
from appliance.inference.symptoms import quantities_of
from appliance.inference.telemetry import Telemetry
from appliance.inference.verdicts import Verdicts
from appliance.inference.window import Windows
from models.features import Mode, feature_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.config import AssetSettings, Config
    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId
    from appliance.inference.detector import BundleDetector
    from appliance.inference.drift import Drift
    from appliance.inference.moves import Change
    from models.features import AssetModel, FeatureVector, Window

CHANGES_WAITING = 8
"""Changes that wait for the link; the oldest goes first."""


class _Evidence(NamedTuple):
    """What a judgement is made from, besides the window."""

    life_h: float
    indicator: float


class AssetJudge:
    """Follows one asset. Without a detector it only gathers."""

    def __init__(
        self, config: Config, asset: AssetSettings, numbers: Mapping[TagId, int]
    ) -> None:
        self.mode = Mode.UNKNOWN
        self.hop_s = asset.detection.hop_s
        self.windows_judged = 0
        self._asset = asset
        self._tag_numbers = numbers
        self._model: AssetModel = asset_model(config, asset)
        self._windows = Windows(self._model, numbers)
        self._derived = Derived(asset.id, numbers)
        self._explainer = Explainer(
            self._model, quantities_of(self._model, asset.quantities)
        )
        self._hours = Newest(numbers, asset.hour_meter)
        self._indicator = Newest(
            numbers, None if asset.failure is None else asset.failure.tag
        )
        self._judging: tuple[BundleDetector, HealthTrack] | None = None
        self._verdicts: Verdicts | None = None
        self._drift: DriftWatch | None = None
        self._moves: Changes | None = None
        self.changes: deque[Change] = deque(maxlen=CHANGES_WAITING)
        """What is to be told: the machine began to behave otherwise."""
        self.telemetry = Telemetry()
        self._maintained_ns: int | None = None
        # what the loop hears of while a thread judges, for the next window
        self._news: deque[Callable[[], None]] = deque()
        self._at_work = threading.Lock()

    @property
    def baseline_due(self) -> bool:
        """Whether the model was learned before the last maintenance: learn anew."""
        if self._judging is None or self._maintained_ns is None:
            return False
        return self._judging[0].trained_to_ns < self._maintained_ns

    @property
    def version(self) -> str | None:
        """The version of the model that judges, if there is one."""
        return None if self._judging is None else self._judging[0].version

    @property
    def mode_name(self) -> str:
        """What the machine does; while it runs, in which of the learned modes."""
        if self.mode is Mode.RUNNING and self._verdicts is not None:
            return self._verdicts.mode
        return str(self.mode)

    @property
    def diagnostics(self) -> tuple[dict[str, Any], ...]:
        """What a person should see to: instruments, a mode, drift, a repair."""
        verdicts, asset = self._verdicts, self._asset.id
        found = () if verdicts is None else tuple(verdicts.diagnostics(asset))
        if self.baseline_due:  # then it is no news that the model is another's
            return (*found, _relearn(asset))
        drift = self.drift
        return found if drift is None else (*found, drift.diagnostic(asset))

    @property
    def drift(self) -> Drift | None:
        """What is no longer as it was learned, if anything."""
        return None if self._drift is None else self._drift.drift

    @property
    def counters(self) -> Mapping[str, int]:
        """Windows judged, windows overtaken, rows given up for want of memory."""
        return {
            "windows_judged": self.windows_judged,
            "windows_skipped": self._windows.skipped,
            "rows_dropped": self._windows.rows_dropped,
        }

    def use(self, detector: BundleDetector, memory: AssetMemory | None = None) -> None:
        """Judge by another model from now on; its health begins anew.

        `memory` is what was known of the asset before this process began. A model
        learned on windows of another length gets its own: how long a window is belongs
        to the model, how often one is judged to the configuration.
        """
        asset, window_s = self._asset, detector.window_s
        if window_s != self._model.window_s:
            self.hop_s = min(asset.detection.hop_s, window_s)
            self._model = replace(self._model, window_s=window_s, hop_s=self.hop_s)
            self._windows = Windows(self._model, self._tag_numbers)
        self._judging = detector, self._track(detector)
        self._verdicts = Verdicts(detector, sensor_after_s=asset.sensors.after_s)
        watch = DriftWatch(
            detector.features, detector.reference(), model=detector.version
        )
        self._drift = recall_drift(watch, memory)
        self._moves = Changes(self._model.tags, detector.change_limits)
        self.telemetry = Telemetry()
        self._news.append(
            partial(self._explainer.use, self._model, detector.examples())
        )
        if memory is not None:
            self._maintained_ns = self._maintained_ns or memory.maintained_ns
            episodes = EpisodeMemory(memory.episodes)
            self._news.append(
                partial(self._explainer.recall, episodes, memory.standing)
            )

    def memory(self) -> AssetMemory | None:
        """Return what is worth keeping; None without a model.

        Waits for the window that is being judged.
        """
        with self._at_work:
            self._hear_news()
            if self._judging is None or self._drift is None:
                return None
            return AssetMemory(
                schema=SCHEMA,
                asset=self._asset.id,
                episodes=self._explainer.memory.episodes,
                standing=self._explainer.standing,
                maintained_ns=self._maintained_ns,
                drift=self._drift.memory(),
            )

    def maintained(self, at_ns: int, what: str = "") -> None:
        """Begin a new life: `what` was done. The same maintenance counts once.

        The model stays until one is learned of the asset as it is now.
        """
        if self._maintained_ns is not None and at_ns <= self._maintained_ns:
            return
        self._maintained_ns = at_ns
        self._news.append(partial(self._explainer.maintained, at_ns, what))
        if self._judging is not None:
            detector = self._judging[0]
            self._judging = detector, self._track(detector)

    def _track(self, detector: BundleDetector) -> HealthTrack:
        asset = self._asset
        return HealthTrack(
            asset.id,
            limit=detector.limit,
            failure_level=None if asset.failure is None else asset.failure.level,
            on_delay_s=asset.detection.on_delay_s,
            overlap_rows=math.ceil(self._model.window_s / self._model.hop_s) - 1,
            window_s=self._model.window_s,
        )

    def repeat(self) -> None:
        """Tell again what is told once: it may have been lost with the link."""
        self._derived.repeat()
        self._explainer.repeat()

    def push(self, batch: Batch) -> None:
        """Gather a batch."""
        self._windows.push(batch)
        self._hours.push(batch)
        self._indicator.push(batch)

    def due(self, now_ns: int) -> tuple[Window, _Evidence] | None:
        """Return what is to be judged now, once per hop; None if there is nothing."""
        window = self._windows.due(now_ns)
        if window is None:
            return None
        self.mode = window.mode
        life_h = now_ns / 3.6e12 if self._asset.hour_meter is None else self._hours.last
        return window, _Evidence(life_h, self._indicator.mean_and_forget())

    def judge(
        self, window: Window, evidence: _Evidence, *, now_ns: int
    ) -> Batch | None:
        """Return the derived batch of a window; None without a model.

        Heavy: may run on a thread, but one at a time.
        """
        with self._at_work:
            self._hear_news()
            return self._judged(window, evidence, now_ns=now_ns)

    def _hear_news(self) -> None:
        while self._news:
            self._news.popleft()()

    def _judged(
        self, window: Window, evidence: _Evidence, *, now_ns: int
    ) -> Batch | None:
        if self._judging is None:
            self._learn(window)
            return None
        detector, track = self._judging
        vector = None
        verdict = Verdict(math.nan, detector.limit)
        # gathered for the model before this one, it may be of another length
        own = math.isclose(window.duration_s, detector.window_s, abs_tol=1e-6)
        if own and window.mode is Mode.RUNNING and self._verdicts is not None:
            vector = feature_vector(self._model, window)
            verdict = self._verdicts.judge(window, vector)
        self._note(window, vector, verdict)
        self.windows_judged += 1
        health = track.observe(
            window.end_ns,
            verdict,
            life_h=evidence.life_h,
            indicator=evidence.indicator,
        )
        text = self._explainer.see(
            window,
            vector,
            verdict,
            health=health,
            sensors=() if self._verdicts is None else self._verdicts.findings,
        )
        return self._derived.batch(health, text, now_ns=now_ns)

    def _note(
        self, window: Window, vector: FeatureVector | None, verdict: Verdict
    ) -> None:
        """Let all who follow the model see what was said of a window."""
        if self._moves is not None:
            change = self._moves.see(window.end_ns, vector, verdict)
            if change is not None:
                self.changes.append(change)
        if vector is None:
            return
        self.telemetry.saw(verdict, float(np.mean(vector.coverage)))
        if self._drift is not None:
            self._drift.see(window.end_ns, vector, verdict)

    def _learn(self, window: Window) -> None:
        """Learn what is usual while there is no model yet."""
        if window.mode is Mode.RUNNING:
            self._explainer.learn(window, feature_vector(self._model, window))


def _relearn(asset: str) -> dict[str, Any]:
    """Return what is to be done after maintenance, as the fields of a `Diagnostic`."""
    return {
        "key": f"baseline {asset}",
        "message": f"{asset} is judged by a model of before its last maintenance",
        "remedy": f"let it run as it should, then: wheeltapper learn {asset}",
        "priority": "low",
        "tags": [],
    }
