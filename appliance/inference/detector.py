"""Run one model bundle with onnxruntime."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnxruntime

from models.bundle import OUTPUTS, BundleError, read_bundle
from models.features import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from appliance.domain.tag import TagId
    from models.bundle import Bundle
    from models.features import FeatureVector
    from models.features.asset import FloatColumn

UNKNOWN_MODE = "unknown"

_GOLDEN_TOLERANCE = 1e-5  # of an output's span: another processor rounds differently


@dataclass(frozen=True, slots=True)
class Runtime:
    """What onnxruntime runs a graph on: `providers` by preference, and threads."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    threads: int = 1

    @property
    def absent(self) -> tuple[str, ...]:
        """The providers that this machine's onnxruntime has not."""
        there = onnxruntime.get_available_providers()
        return tuple(each for each in self.providers if each not in there)


PROCESSOR = Runtime()


class GoldenMismatchError(BundleError):
    """The graph does not say here what it said where it was made."""


class Answers(NamedTuple):
    """What the graph says: [n], [n, detectors] and twice [n, features]."""

    score: NDArray[np.float32]
    detectors: NDArray[np.float32]
    contributions: NDArray[np.float32]
    shift: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector says of one window.

    `cause` is the tag that contributes most to the score, `share` how much of it
    (0…1); `contributions` by tag, `features` by feature (shares, too). `mode` it was
    judged in, `detectors` the score of each of them (1.0 at its limit); the state of
    the moment is abnormal from `anomaly_limit` on, and worth a person when it has
    lasted for `evidence_limit` (`models.lasting`). `shift` is where the window stands
    beside what is usual (`models.changes`). Without a score (NaN) nothing is said: no
    cause, and no anomaly.
    """

    score: float
    limit: float
    cause: str = ""
    share: float = 0.0
    contributions: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    mode: str = UNKNOWN_MODE
    detectors: Mapping[str, float] = field(default_factory=dict)
    anomaly_limit: float = math.inf
    evidence_limit: float = math.inf
    shift: FloatColumn | None = field(default=None, compare=False, repr=False)

    @property
    def beyond_limit(self) -> bool:
        """Whether the score is known and over the limit."""
        return self.score > self.limit


class BundleDetector:
    """A bundle, loaded and proved against its golden vectors; higher is worse.

    Raises:
        GoldenMismatchError: The graph gives other answers here.
        BundleError: onnxruntime cannot run the graph.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime = PROCESSOR) -> None:
        manifest = bundle.manifest
        self.asset = manifest.asset
        self.version = manifest.version
        self.features = manifest.features
        self.detectors = manifest.detectors
        self.modes = tuple(mode.name for mode in manifest.modes)
        self.mode_map = manifest.mode_map
        self.sensors = manifest.sensors
        self.limit = manifest.limit
        self.cards = manifest.modes
        self.change_limits = {mode.name: mode.change_limit for mode in manifest.modes}
        self.dropped = manifest.dropped
        self.window_s = manifest.window_s
        self.trained_to_ns = round(manifest.trained_to.timestamp() * 1e9)
        self._session = _session_of(bundle.graph, runtime)
        self.tags = tuple(dict.fromkeys(tag_of(name) for name in self.features))
        place = {tag: i for i, tag in enumerate(self.tags)}
        self._tag_of_feature = np.array([place[tag_of(n)] for n in self.features])
        self._order_of: tuple[tuple[str, ...], NDArray[np.int64]] | None = None
        self._golden = bundle.golden
        self._reference = manifest.reference
        self._prove(bundle)

    @classmethod
    def load(cls, folder: Path, runtime: Runtime = PROCESSOR) -> BundleDetector:
        """Read, verify and prove the bundle in a folder.

        Raises:
            BundleError: It must not be used; the message says why.
        """
        return cls(read_bundle(folder), runtime)

    def score(self, features: Sequence[float], *, mode: int = 0) -> float:
        """Return the score of features in the bundle's own order (NaN in, NaN out)."""
        row = _narrow(np.asarray(features, dtype=np.float64))
        return math.nan if row is None else float(self._ask(row, mode).score[0])

    def judge(
        self,
        vector: FeatureVector,
        *,
        mode: int = 0,
        without: frozenset[TagId] = frozenset(),
    ) -> Verdict:
        """Judge a window by the names of its features, whatever their order.

        `mode` is a place in `modes`, -1 for one that was never seen: nothing is said
        then. Tags in `without` (their sensor is broken) count as being as usual; any
        other feature that is missing or NaN leaves the window without a score.
        """
        if not 0 <= mode < len(self.modes):
            return Verdict(math.nan, self.limit)
        row = np.append(vector.values, np.nan)[self._order(vector.names)]
        left_out = np.array([tag in without for tag in self.tags])[self._tag_of_feature]
        narrow = _narrow(np.where(left_out, 0.0, row))
        if narrow is None or left_out.all():
            return Verdict(math.nan, self.limit, mode=self.modes[mode])
        narrow[left_out] = np.nan
        return self._verdict(self._ask(narrow, mode), self.modes[mode])

    def examples(self) -> dict[str, list[dict[str, float]]]:
        """Return the features of the golden rows by mode.

        Most are healthy in all but one of their features: their medians are healthy.
        """
        found: dict[str, list[dict[str, float]]] = {name: [] for name in self.modes}
        golden = self._golden
        for row, mode in zip(golden.features, golden.mode, strict=True):
            if 0 <= mode < len(self.modes):
                named = dict(zip(self.features, row.tolist(), strict=True))
                found[self.modes[mode]].append(named)
        return found

    def reference(self) -> dict[str, NDArray[np.float64]]:
        """Return healthy rows of the training by mode, where the bundle has them."""
        tables = zip(self.modes, self._reference, strict=False)
        return {name: each.table() for name, each in tables if each.rows}

    def judge_rows(self, rows: NDArray[np.float64]) -> Answers:
        """Judge many rows of the first mode at once, in the bundle's own order.

        A row that is not all numbers has no score (NaN).
        """
        with np.errstate(over="ignore"):
            narrow = rows.astype(np.float32)
        whole = np.isfinite(narrow).all(axis=1)
        mode = np.where(whole, 0, -1)
        return self._run(np.where(np.isfinite(narrow), narrow, np.float32(0.0)), mode)

    def first_tags(self, answers: Answers) -> NDArray[np.int64]:
        """Return, per row, which of `tags` contributes most."""
        shares = np.nan_to_num(answers.contributions.astype(np.float64))
        by_tag = np.zeros((len(shares), len(self.tags)))
        np.add.at(by_tag.T, self._tag_of_feature, shares.T)
        return np.asarray(by_tag.argmax(axis=1), dtype=np.int64)

    def _verdict(self, answers: Answers, mode: str) -> Verdict:
        score, shares = float(answers.score[0]), answers.contributions[0]
        by_tag = np.bincount(self._tag_of_feature, weights=shares.astype(np.float64))
        told = dict(zip(self.detectors, answers.detectors[0].tolist(), strict=True))
        total = float(by_tag.sum())
        card = self.cards[self.modes.index(mode)]
        bare = Verdict(
            score,
            self.limit,
            mode=mode,
            detectors=told,
            anomaly_limit=card.anomaly_limit,
            evidence_limit=_or_never(card.evidence_limit),
            shift=answers.shift[0].astype(np.float64),
        )
        if not total > 0.0:
            return bare
        by_tag = np.divide(by_tag, total)
        first = int(by_tag.argmax())
        return replace(
            bare,
            cause=self.tags[first],
            share=float(by_tag[first]),
            contributions=dict(zip(self.tags, by_tag.tolist(), strict=True)),
            features=dict(zip(self.features, (shares / total).tolist(), strict=True)),
        )

    def _order(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """Return where each of our features stands; a missing one behind the last."""
        if self._order_of is None or self._order_of[0] is not names:
            place = {name: i for i, name in enumerate(names)}
            order = [place.get(name, len(names)) for name in self.features]
            self._order_of = names, np.array(order, dtype=np.int64)
        return self._order_of[1]

    def _ask(self, row: NDArray[np.float32], mode: int) -> Answers:
        return self._run(row[np.newaxis], np.array([mode], dtype=np.int64))

    def _run(self, rows: NDArray[np.float32], mode: NDArray[np.int64]) -> Answers:
        return Answers(
            *self._session.run(list(OUTPUTS), {"features": rows, "mode": mode})
        )

    def _prove(self, bundle: Bundle) -> None:
        golden = bundle.golden
        try:
            answers = self._run(golden.features, golden.mode)
        except Exception as error:  # onnxruntime's errors share no public base
            raise BundleError(f"model.onnx: {error}") from error
        for name, answer in zip(OUTPUTS, answers, strict=True):
            wanted = getattr(golden, name)
            if answer.shape != wanted.shape:
                raise GoldenMismatchError(f"model.onnx: {name} has another shape")
            span = float(np.ptp(wanted)) or 1.0
            off = float(np.abs(answer - wanted).max()) / span
            if not off <= _GOLDEN_TOLERANCE:
                raise GoldenMismatchError(f"model.onnx: {name} is off by {off:.1e}")


def _or_never(limit: float | None) -> float:
    return math.inf if limit is None else limit


def _narrow(row: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Return the row for the graph; None where it is not all numbers (in float32)."""
    with np.errstate(over="ignore"):
        narrow = row.astype(np.float32)
    return narrow if np.isfinite(narrow).all() else None


def _session_of(graph: bytes, runtime: Runtime) -> onnxruntime.InferenceSession:
    onnxruntime.disable_telemetry_events()  # nothing leaves the gateway but by sync
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    absent = runtime.absent
    providers = [each for each in runtime.providers if each not in absent]
    try:
        return onnxruntime.InferenceSession(graph, options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no public base
        raise BundleError(f"model.onnx: {error}") from error
