"""The graph must say what the trainer's own arithmetic says, and decide alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from models.bundle import OUTPUTS, Golden
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.bundle import Float32Table
    from models.features.asset import SlotColumn
    from models.features.table import FloatTable
    from models.train.distance import DistanceModel

PARITY_LIMIT = 1e-5
_GOLDEN_ROWS = 16
_FAR = (0.7, 3.0, 30.0)  # parity is also checked off the healthy rows, in scales


def check_parity(
    graph: bytes, modes: Sequence[DistanceModel], rows: FloatTable, mode: SlotColumn
) -> tuple[Golden, float]:
    """Run the graph beside the models (float64) on healthy and on moved rows.

    Return golden vectors and the largest difference, as a part of each output's
    span.

    Raises:
        TrainingError: The difference is over `PARITY_LIMIT`, or a decision differs.
    """
    asked, places = _questions(modes, rows, mode)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"]
    )
    answers = dict(
        zip(
            OUTPUTS,
            session.run(list(OUTPUTS), {"features": asked, "mode": places}),
            strict=True,
        )
    )
    wanted = _wanted(modes, asked, places)
    worst = max(_difference(answers[name], wanted[name]) for name in OUTPUTS)
    if not worst <= PARITY_LIMIT:
        raise TrainingError(f"ONNX and the trainer differ by {worst:.2e} of the span")
    if ((answers["score"] > 1.0) != (wanted["score"] > 1.0)).any():
        raise TrainingError("ONNX and the trainer decide differently")
    chosen = np.unique(np.linspace(0, len(asked) - 1, _GOLDEN_ROWS).astype(int))
    told = {name: answers[name][chosen] for name in OUTPUTS}
    return Golden(asked[chosen], places[chosen], **told), worst


def _questions(
    modes: Sequence[DistanceModel], rows: FloatTable, mode: SlotColumn
) -> tuple[Float32Table, SlotColumn]:
    """Return the rows, and the rows with each feature in turn moved off."""
    moved, every = [rows], np.arange(len(rows))
    scale = np.stack([each.scale for each in modes])
    for far in _FAR:
        away = rows.copy()
        column = every % rows.shape[1]
        away[every, column] += far * scale[mode, column]
        moved.append(away)
    asked = np.concatenate(moved).astype(np.float32)
    return asked, np.tile(mode, len(moved))


def _wanted(
    modes: Sequence[DistanceModel], asked: Float32Table, places: SlotColumn
) -> dict[str, FloatTable]:
    """Return what each mode's own model says of its rows."""
    count, width = asked.shape
    each = (count, width)
    shapes = ((count,), (count, len(modes[0].detectors)), each, each)
    wanted = {
        name: np.empty(shape) for name, shape in zip(OUTPUTS, shapes, strict=True)
    }
    for place, model in enumerate(modes):
        own = places == place
        answers = model.answers(asked[own].astype(np.float64))
        for name in OUTPUTS:
            wanted[name][own] = getattr(answers, name)
    return wanted


def _difference(ours: FloatTable, wanted: FloatTable) -> float:
    span = float(np.ptp(wanted)) or 1.0
    return float(np.abs(ours - wanted).max()) / span
