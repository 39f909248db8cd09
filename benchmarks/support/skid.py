"""The simulated skid beside the product, in simulated time and without a wire.

The plant's own physics, PLC and transmitters make the values; the product's own
windows, features, detector and judge take them. Only clock and wire are left out.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from appliance.commands.training import training_settings
from appliance.domain.batch import Waveform, batch_of
from appliance.domain.health import derived_tags, explanation_of
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.inference.asset import asset_model
from appliance.inference.detector import BundleDetector
from appliance.inference.judge import AssetJudge
from appliance.inference.window import Windows
from benchmarks.support.skid_config import configuration
from models.bundle import write_bundle
from models.features import FeatureTable, Mode, feature_names, feature_vector
from models.train.learn import learn
from models.train.settings import TrainingSettings
from sim_plant.instruments import engineering
from sim_plant.plant import Plant
from sim_plant.tags import ACCELERATION, HOURS_RUN, TRANSMITTERS, transmitter_index
from sim_plant.vibration import SAMPLE_RATE_HZ, synthesise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.health import Explanation
    from benchmarks.support.skid_config import Rates
    from models.bundle import Bundle
    from models.features import FeatureVector
    from sim_plant.scenario import Scenario

ASSET = "P-101"
NS = 1_000_000_000
START_NS = 1_799_971_200 * NS
"""Midnight, so that plant time 0 is the beginning of a day."""
_DERIVED = tuple(tag.id for tag in derived_tags(ASSET))
_MEASURED = (
    *(TagId(t.tag) for t in TRANSMITTERS),
    TagId(HOURS_RUN),
    TagId(ACCELERATION),
)
NUMBERS: Mapping[TagId, int] = {
    tag: number for number, tag in enumerate((*_MEASURED, *_DERIVED), start=1)
}
_GROUP = "skid"
_FIRST_BEATS = 3


class Skid:
    """A plant that is read at a fixed step; it runs from the first step on."""

    def __init__(
        self, scenario: Scenario, rates: Rates, *, begin_s: float = 0.0
    ) -> None:
        self.plant = Plant(scenario)
        self.rates = rates
        self._noise = np.random.default_rng(scenario.seed + 1)
        self.plant.state = replace(self.plant.state, t_s=begin_s)
        self.plant.memory.watchdog_ms = 60_000
        self._beats = 0
        self._next_burst_s = begin_s
        self._started = False

    @property
    def t_s(self) -> float:
        """Plant time."""
        return self.plant.state.t_s

    @property
    def running(self) -> bool:
        """Whether the motor is energised."""
        return self.plant.state.plc.running

    def until(self, t_s: float) -> Iterator[Batch]:
        """Yield what is read up to a plant time, one batch a step."""
        while self.t_s + self.rates.step_s <= t_s + 1e-9:
            self._beats = (self._beats + 1) % 0x1_0000
            self.plant.memory.heartbeat = self._beats
            self.plant.scan(self.t_s + self.rates.step_s)
            self._power_up()
            yield self._read()

    def _power_up(self) -> None:
        """Ask for the permit once the PLC sees us beat, then start."""
        memory = self.plant.memory
        if self._beats > _FIRST_BEATS:
            memory.run_permit_request = True
        if not self._started and self.plant.state.plc.run_permit:
            self._started = memory.start = True

    def shown(self, tag: str) -> float:
        """Return what a transmitter presents now, in engineering units."""
        index = transmitter_index(tag)
        return engineering(
            TRANSMITTERS[index], self.plant.state.transmitters[index].presented
        )

    def stop(self) -> None:
        """Press the panel's stop button."""
        self.plant.memory.stop = True

    def start(self) -> None:
        """Press the panel's start button."""
        self.plant.memory.start = True

    def _read(self) -> Batch:
        state, time_ns = self.plant.state, START_NS + round(self.t_s * NS)
        shown = [transmitter.presented for transmitter in state.transmitters]
        values = [engineering(t, p) for t, p in zip(TRANSMITTERS, shown, strict=True)]
        quality = [Quality.BAD if each.failed else Quality.GOOD for each in shown]
        return batch_of(
            list(range(1, len(values) + 2)),
            [*values, state.hours_run],
            source_time_ns=time_ns,
            receive_time_ns=time_ns,
            quality=[*quality, Quality.GOOD],
            group=_GROUP,
            waveforms=self._burst(time_ns),
        )

    def _burst(self, time_ns: int) -> tuple[Waveform, ...]:
        if self.t_s + 1e-9 < self._next_burst_s:
            return ()
        self._next_burst_s += self.rates.burst_s
        points = synthesise(self.plant.vibration_sources(), self._noise)
        number = NUMBERS[TagId(ACCELERATION)]
        narrow = points.astype(np.float32)
        return (Waveform(number, time_ns, SAMPLE_RATE_HZ, narrow),)


class Learner:
    """Gathers the healthy windows, as `wheeltapper learn` does from the buffer."""

    def __init__(self, rates: Rates) -> None:
        self.config = configuration(rates)
        self.asset = self.config.assets[0]
        self.model = asset_model(self.config, self.asset)
        self._windows = Windows(self.model, NUMBERS)
        self._rows: list[tuple[int, FeatureVector]] = []

    def push(self, batch: Batch) -> None:
        """Take a batch of the healthy period."""
        self._windows.push(batch)
        window = self._windows.due(batch.receive_time_ns)
        if window is not None and window.mode is Mode.RUNNING:
            vector = feature_vector(self.model, window)
            self._rows.append((window.end_ns, vector))

    def learn(self) -> Bundle:
        """Learn what is normal from what was gathered."""
        table = FeatureTable.of(feature_names(self.model), self._rows)
        told = training_settings(self.config, self.asset, self.model)
        return learn(table, msgspec.convert(told, TrainingSettings))


@dataclass(slots=True)
class Watched:
    """What the product has said of the asset: newest values, onsets, causes."""

    values: dict[str, float] = field(default_factory=dict)
    onsets_s: list[float] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    cause: str = ""
    explanation: Explanation | None = None
    findings: set[str] = field(default_factory=set)
    modes: Counter[str] = field(default_factory=Counter)
    worst_score: float = 0.0


class Observer:
    """The inference of one asset, told to a list instead of a hub."""

    def __init__(self, bundle: Bundle, rates: Rates) -> None:
        config = configuration(rates)
        self.judge = AssetJudge(config, config.assets[0], NUMBERS)
        with tempfile.TemporaryDirectory() as folder:
            place = write_bundle(Path(folder), bundle)
            self.judge.use(BundleDetector.load(place))
        self.told = Watched()
        self._names = {
            number: tag.rpartition("/")[2] for tag, number in NUMBERS.items()
        }

    def push(self, batch: Batch) -> None:
        """Take a batch, and judge the window that is due with it."""
        self.judge.push(batch)
        due = self.judge.due(batch.receive_time_ns)
        if due is None:
            return
        answer = self.judge.judge(*due, now_ns=batch.receive_time_ns)
        self.told.modes[self.judge.mode_name] += 1
        self.told.findings |= {str(each["key"]) for each in self.judge.diagnostics}
        if answer is not None:
            self._hear(answer)

    def _hear(self, answer: Batch) -> None:
        told, before = self.told, self.told.values.get("anomaly", 0.0)
        for number, value, quality in zip(
            answer.tag.tolist(), answer.value, answer.quality, strict=True
        ):
            good = quality == Quality.GOOD
            told.values[self._names[number]] = float(value) if good else np.nan
        for text in answer.texts:
            match self._names[text.tag]:
                case "explanation":
                    told.explanation = explanation_of(str(text.content))
                case "anomaly_score":
                    told.cause = str(text.content)
        anomaly = told.values.get("anomaly", np.nan)
        if anomaly == 1.0 and before != 1.0:
            at_s = (answer.receive_time_ns - START_NS) / NS
            told.onsets_s.append(at_s)
            told.causes.append(told.cause)
        if np.isnan(anomaly) and before == 1.0:
            told.values["anomaly"] = 1.0  # nobody knows; it has not ended
        told.worst_score = max(told.worst_score, told.values.get("anomaly_score", 0.0))
