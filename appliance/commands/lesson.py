"""What `learn` does: the healthy past to a candidate, held against the active model.

What the history's labels call abnormal is left out. Training runs in a short-lived,
niced child process with bounds: scikit-learn is never in a process that stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.commands.exits import CommandError
from appliance.commands.models import shelf_of
from appliance.commands.training import (
    Bounds,
    NotLearnedError,
    train_bundle,
    training_settings,
)
from appliance.domain.event import EventKind
from appliance.domain.maintenance import maintenance_of_event
from appliance.inference.asset import asset_model
from appliance.inference.labels import Labels, labels_of
from appliance.inference.refresh import Comparison, compare
from appliance.inference.replay import Past, healthy_table
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader
from models.bundle import BundleError
from models.features import feature_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.config import AssetSettings, Config
    from appliance.domain.batch import Waveform
    from models.features import AssetModel, FeatureTable

_NS = 1_000_000_000
MOST_NUMBERS = 1_500_000
"""Windows times features. Of a longer past windows are chosen evenly: more of them say
the same, and take gigabytes."""
_FAULTS = 5
_FAULT_S = 3600.0  # of a known fault, its end: there it shows most


@dataclass(slots=True)
class Learned:
    """What came of it: for machines, and line by line for people."""

    version: str
    result: dict[str, Any]
    objections: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Add a line."""
        self.said.append(line)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One asset, and the time to learn it from; as it is since `maintained_ns`."""

    config: Config
    asset: AssetSettings
    model: AssetModel
    state_dir: Path
    span_ns: tuple[int, int]
    labels: Labels
    maintained_ns: int

    @classmethod
    def of(
        cls,
        config: Config,
        asset: AssetSettings,
        state_dir: Path,
        *,
        now_ns: int,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Lesson:
        """Read what is known of the time; default: from the last maintenance to now.

        Raises:
            CommandError: The buffer cannot be read.
        """
        buffer, model = state_dir / "buffer.db", asset_model(config, asset)
        try:
            done_ns = maintained_ns(buffer, asset.id)
            labels = _labels(buffer, asset, model, now_ns=now_ns)
        except StoreOpenError as error:
            raise CommandError(str(error)) from error
        return cls(
            config=config,
            asset=asset,
            model=model,
            state_dir=state_dir,
            span_ns=(
                done_ns if since_ns is None else since_ns,
                now_ns if until_ns is None else until_ns,
            ),
            labels=labels,
            maintained_ns=done_ns,
        )

    def learn(self) -> Learned:
        """Learn a candidate and hold it against the active model.

        Raises:
            CommandError: Nothing can be learned, or not within the bounds.
        """
        past = _past(self.state_dir / "buffer.db", self.model, self.span_ns)
        windows = (past.to_ns - past.from_ns) / (self.model.hop_s * _NS)
        numbers = windows * len(feature_names(self.model))
        every = max(1, math.ceil(numbers / MOST_NUMBERS))
        table = healthy_table(past, self.model, every=every)
        rows_ns = np.sort(np.concatenate([t for t, _, _ in past.rows.values()]))
        labels = self.labels.without_absence(rows_ns)
        healthy = labels.healthy(table, window_s=self.model.window_s)
        left_out = _left_out(labels, past, len(table) - len(healthy))
        try:
            result = self._train(healthy, every)
        except NotLearnedError as error:
            raise NotLearnedError("\n".join((str(error), *left_out))) from error
        learned = Learned(result["version"], result)
        again = ", the same model as before" if result["known"] else ""
        learned.say(
            f"learned {self.asset.id} {learned.version} from {result['rows']} windows"
            + again
        )
        learned.said += [*left_out, *_judged(result)]
        result["left_out"] = left_out
        comparison = self._compared(learned.version, healthy)
        if comparison is not None:
            learned.objections = comparison.objections
            learned.said += _comparison(comparison)
        result["objections"] = list(learned.objections)
        return learned

    def _train(self, table: FeatureTable, every: int) -> dict[str, Any]:
        settings = training_settings(self.config, self.asset, self.model)
        settings["hop_s"] = min(self.model.window_s, every * self.model.hop_s)
        inference = self.config.inference
        bounds = Bounds(inference.training_within_s, inference.training_memory_bytes)
        return train_bundle(table, settings, self.state_dir / "models", bounds=bounds)

    def _compared(self, version: str, healthy: FeatureTable) -> Comparison | None:
        """Compare with the active model; None where there is none of this machine."""
        shelf, asset = shelf_of(self.state_dir), self.asset.id
        before, after = shelf.active_folder(asset), shelf.folder(asset, version)
        if before is None or after is None or before == after:
            return None
        # By name: whoever shares our durations needs no onnxruntime.
        load = import_module("appliance.inference.detector").BundleDetector.load
        try:
            active = load(before)
        except BundleError:
            return None  # what is not used is no yardstick
        known_now = active.trained_to_ns >= self.maintained_ns
        if not known_now or active.window_s != self.model.window_s:
            return None
        faults = dict(self._faults())
        return compare(active, load(after), healthy=healthy, faults=faults)

    def _faults(self) -> Iterator[tuple[str, FeatureTable]]:
        """Yield the windows of the newest known faults, by when they were."""
        for fault in self.labels.faults[-_FAULTS:]:
            from_ns = max(fault.from_ns, fault.to_ns - round(_FAULT_S * _NS))
            from_ns -= round(2 * self.model.window_s * _NS)
            past = _past(
                self.state_dir / "buffer.db", self.model, (from_ns, fault.to_ns)
            )
            table = healthy_table(past, self.model)
            yield f"{fault.why}, {_utc(fault.from_ns)}", table


def _left_out(labels: Labels, past: Past, count: int) -> list[str]:
    """Say what was left out of the time, and why."""
    if not count:
        return []
    said = [f"{count} windows were left out:"]
    for span in labels.excluded:
        from_ns, to_ns = max(span.from_ns, past.from_ns), min(span.to_ns, past.to_ns)
        if from_ns < to_ns:
            said.append(f"  {_utc(from_ns)} to {_utc(to_ns)}: {span.why}")
    return said


def _judged(result: dict[str, Any]) -> list[str]:
    """Say whether it was enough, and whether all of it looked healthy."""
    said, learning = [], result["learning"]
    if result["suspect_rows"]:
        said.append(
            f"{result['suspect_rows']} windows looked unlike the others and were not"
            " believed: see what happened then"
        )
    said += [
        f"  of the first {each['part']:.0%} alone: {each['strange']:.1%} of the next"
        f" quarter abnormal, limit {each['limit']:.2f} of the present one"
        for each in learning["trials"]
    ]
    if not learning["missing"]:
        return [*said, "enough: the last quarter brought nothing new"]
    why = "; ".join(learning["missing"])
    return [*said, f"not yet enough, {_hours(learning['more_h'])} more: {why}"]


def _comparison(found: Comparison) -> list[str]:
    said = [
        f"  {each.fault}: score {each.candidate:.2f}, before {each.active:.2f}"
        for each in found.faults
    ]
    laxer = [f"  limit {found.laxer:.2f} times as far out as before"]
    return ["beside the active model:", *said, *(laxer if found.laxer > 0.0 else [])]


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1.0 else f"{60.0 * hours:.0f} min"


def _utc(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(max(0, time_ns) // _NS, UTC):%Y-%m-%d %H:%M:%S}Z"


def _labels(
    path: Path, asset: AssetSettings, model: AssetModel, *, now_ns: int
) -> Labels:
    """Return what the history says of the asset."""
    lead_s = model.window_s + asset.detection.on_delay_s
    with open_reader(path) as reader:
        return labels_of(
            asset.id,
            reader.events(),
            reader.verdicts(),
            now_ns=now_ns,
            lead_s=lead_s,
        )


def maintained_ns(path: Path, asset: str) -> int:
    """Return when an asset became as it is now; 0 where no maintenance is on record."""
    with open_reader(path) as reader:
        event = reader.last_words(EventKind.MAINTENANCE).get(asset)
    done = None if event is None else maintenance_of_event(event)
    return 0 if done is None else done.at_ns


def _past(path: Path, model: AssetModel, span_ns: tuple[int, int]) -> Past:
    wanted = dict.fromkeys(tag.id for tag in model.tags)
    if model.speed_tag is not None:
        wanted[model.speed_tag] = None
    if model.running is not None:
        wanted[model.running.tag] = None
    wanted |= dict.fromkeys(model.mode_tags)
    since_ns, until_ns = span_ns
    rows = {}
    waveforms: tuple[Waveform, ...] = ()
    with open_reader(path) as reader:
        for tag in wanted:
            found = reader.columns(tag, from_ns=since_ns, to_ns=until_ns)
            rows[tag] = (found.source_time_ns, found.value, found.quality)
        if model.waveform_tag is not None:
            waveforms = tuple(
                reader.waveforms(model.waveform_tag, from_ns=since_ns, to_ns=until_ns)
            )
    spans_ns = [(int(t[0]), int(t[-1])) for t, _, _ in rows.values() if len(t)]
    first_ns = min((first for first, _ in spans_ns), default=until_ns)
    last_ns = max((last for _, last in spans_ns), default=until_ns)
    # what was stored last is not how it stayed, where nobody looks
    end_ns = min(until_ns, last_ns + round(model.hop_s * _NS))
    return Past(first_ns, end_ns, rows, waveforms)
