"""The graph must say what scikit-learn said, row by row, and decide alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from models.bundle import OUTPUTS, Golden
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from models.features.table import FloatTable
    from models.train.distance import DistanceModel

PARITY_LIMIT = 1e-5
_GOLDEN_ROWS = 16
_FAR = (1.0, 3.0, 30.0)  # parity is also checked off the healthy rows, in floors


def check_parity(
    graph: bytes, model: DistanceModel, rows: FloatTable
) -> tuple[Golden, float]:
    """Run the graph beside scikit-learn on healthy and on moved rows.

    Return golden vectors and the largest difference, as a part of each output's
    span.

    Raises:
        TrainingError: The difference is over `PARITY_LIMIT`, or a decision differs.
    """
    asked = _questions(model, rows)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"]
    )
    answers = dict(
        zip(OUTPUTS, session.run(list(OUTPUTS), {"features": asked}), strict=True)
    )
    wanted = model.distances(asked.astype(np.float64))._asdict()
    worst = max(_difference(answers[name], wanted[name]) for name in OUTPUTS)
    if not worst <= PARITY_LIMIT:
        raise TrainingError(f"ONNX and scikit-learn differ by {worst:.2e} of the span")
    if ((answers["score"] > 1.0) != (wanted["score"] > 1.0)).any():
        raise TrainingError("ONNX and scikit-learn decide differently")
    chosen = np.unique(np.linspace(0, len(asked) - 1, _GOLDEN_ROWS).astype(int))
    golden = Golden(asked[chosen], **{name: answers[name][chosen] for name in OUTPUTS})
    return golden, worst


def _questions(model: DistanceModel, rows: FloatTable) -> np.ndarray:
    """Return the rows, and the rows with each feature in turn moved off."""
    moved = [rows]
    for far in _FAR:
        away = rows.copy()
        column = np.arange(len(rows)) % rows.shape[1]
        away[np.arange(len(rows)), column] += far * model.scaler.scale_[column]
        moved.append(away)
    return np.concatenate(moved).astype(np.float32)


def _difference(ours: FloatTable, wanted: FloatTable) -> float:
    span = float(np.ptp(wanted)) or 1.0
    return float(np.abs(ours - wanted).max()) / span
