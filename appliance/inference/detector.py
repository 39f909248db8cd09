"""Run one model bundle with onnxruntime."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from models.bundle import OUTPUTS, BundleError, read_bundle
from models.features import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.bundle import Bundle
    from models.features import FeatureVector

_GOLDEN_TOLERANCE = 1e-5  # of an output's span: another processor rounds differently


class GoldenMismatchError(BundleError):
    """The graph does not say here what it said where it was made."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector says of one window.

    `cause` is the tag that contributes most to the score, `share` how much of it
    (0…1). Without a score (NaN) nothing is said: no cause, and no anomaly.
    """

    score: float
    limit: float
    cause: str = ""
    share: float = 0.0
    contributions: Mapping[str, float] = field(default_factory=dict)

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

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.asset = manifest.asset
        self.version = manifest.version
        self.features = manifest.features
        self.limit = manifest.limit
        self.window_s = manifest.window_s
        self._session = _session_of(bundle.graph)
        self._tags = tuple(dict.fromkeys(tag_of(name) for name in self.features))
        place = {tag: i for i, tag in enumerate(self._tags)}
        self._tag_of_feature = np.array([place[tag_of(n)] for n in self.features])
        self._order_of: tuple[tuple[str, ...], NDArray[np.int64]] | None = None
        self._prove(bundle)

    @classmethod
    def load(cls, folder: Path) -> BundleDetector:
        """Read, verify and prove the bundle in a folder.

        Raises:
            BundleError: It must not be used; the message says why.
        """
        return cls(read_bundle(folder))

    def score(self, features: Sequence[float]) -> float:
        """Return the score of features in the bundle's own order (NaN in, NaN out)."""
        row = _narrow(np.asarray(features, dtype=np.float64))
        return math.nan if row is None else self._ask(row)[0]

    def judge(self, vector: FeatureVector) -> Verdict:
        """Judge a window by the names of its features, whatever their order.

        A feature that is missing or NaN leaves the window without a score.
        """
        row = _narrow(np.append(vector.values, np.nan)[self._order(vector.names)])
        if row is None:
            return Verdict(math.nan, self.limit)
        score, shares = self._ask(row)
        by_tag = np.bincount(self._tag_of_feature, weights=shares.astype(np.float64))
        total = float(by_tag.sum())
        if not total > 0.0:
            return Verdict(score, self.limit)
        by_tag = np.divide(by_tag, total)
        first = int(by_tag.argmax())
        return Verdict(
            score=score,
            limit=self.limit,
            cause=self._tags[first],
            share=float(by_tag[first]),
            contributions=dict(zip(self._tags, by_tag.tolist(), strict=True)),
        )

    def _order(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """Return where each of our features stands; a missing one behind the last."""
        if self._order_of is None or self._order_of[0] is not names:
            place = {name: i for i, name in enumerate(names)}
            order = [place.get(name, len(names)) for name in self.features]
            self._order_of = names, np.array(order, dtype=np.int64)
        return self._order_of[1]

    def _ask(self, row: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        score, contributions = self._session.run(
            ["score", "contributions"], {"features": row[np.newaxis]}
        )
        return float(score[0]), contributions[0]

    def _prove(self, bundle: Bundle) -> None:
        golden = bundle.golden
        try:
            answers = self._session.run(list(OUTPUTS), {"features": golden.features})
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


def _narrow(row: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Return the row for the graph; None where it is not all numbers (in float32)."""
    with np.errstate(over="ignore"):
        narrow = row.astype(np.float32)
    return narrow if np.isfinite(narrow).all() else None


def _session_of(graph: bytes) -> onnxruntime.InferenceSession:
    onnxruntime.disable_telemetry_events()  # nothing leaves the gateway but by sync
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no public base
        raise BundleError(f"model.onnx: {error}") from error
