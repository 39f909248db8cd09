"""What a small network cannot say again of a window: `autoencoder`.

A network with a narrow middle is taught to repeat healthy windows. What it repeats
badly is abnormal: the square of the distance is the sum of the features' squared
errors, and that is what each contributes. It tells where the error shows, which may be
beside the feature that moved.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from models.train.nodes import node, seen_through
from models.train.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable
    from models.train.part import Part

MOST_OUTER, MOST_MIDDLE = 32, 12
"""Units of the layers about the middle, and of the middle, at most."""
MOST_TAUGHT = 2000
"""Rows it is taught, evenly over the training: more cost minutes, change little."""
_ROUNDS = 100
_DECAY = 0.1  # of its weights: few rows are not to be learned by heart
_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """Weights and biases of its four layers, and the features it looks at."""

    weights: tuple[FloatTable, ...]
    biases: tuple[FloatColumn, ...]
    looked_at: FloatColumn

    def squares(self, off: FloatTable, weight: float) -> FloatTable:
        """Return the squared errors."""
        rows = off * self.looked_at
        told = rows
        for i, (turn, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            told = told @ turn + bias
            told = told if i == len(self.weights) - 1 else np.tanh(told)
        return np.asarray(weight**2 * (rows - told) ** 2, dtype=np.float64)

    def constants(self, weight: float) -> Mapping[str, NDArray[np.float64]]:
        """Return the layers."""
        layers = zip(self.weights, self.biases, strict=True)
        return {
            "looked_at": self.looked_at,
            "gain": np.array([weight**2]),
            **{
                f"{kind}_{i}": each
                for i, layer in enumerate(layers)
                for kind, each in zip(("turn", "bias"), layer, strict=True)
            },
        }

    def nodes(
        self,
        name: str,
        modes: Sequence[Part],  # noqa: ARG002 - its constants say all of the modes
        *,
        several: bool,
    ) -> list[onnx.NodeProto]:
        """Repeat the row; what is left of it, squared."""
        made = [node("Mul", ["off", f"{name}_looked_at"], [f"{name}_rows"])]
        told = f"{name}_rows"
        for i in range(len(self.weights)):
            out, bias = f"{name}_sum_{i}", f"{name}_bias_{i}"
            made += seen_through(
                told, f"{name}_turn_{i}", f"{out}_seen", several=several
            )
            made.append(node("Add", [f"{out}_seen", bias], [out]))
            told = out
            if i < len(self.weights) - 1:
                told = f"{name}_told_{i}"
                made.append(node("Tanh", [out], [told]))
        return [
            *made,
            node("Sub", [f"{name}_rows", told], [f"{name}_error"]),
            node("Mul", [f"{name}_error", f"{name}_error"], [f"{name}_errors"]),
            node("Mul", [f"{name}_errors", f"{name}_gain"], [f"{name}_squares"]),
        ]

    @property
    def cost(self) -> str:
        """Tell its layers."""
        widths = [str(len(each)) for each in self.weights]
        return f"layers of {', '.join(widths)} and {len(self.looked_at)} units"


@one_thread()
def fit_autoencoder(off: FloatTable, looked_at: NDArray[np.bool_]) -> Autoencoder:
    """Teach rows that are held to be normal; always the same from the same rows."""
    count, width = off.shape
    outer = min(MOST_OUTER, max(2, width // 2))
    middle = min(MOST_MIDDLE, max(1, width // 4))
    network = MLPRegressor(
        hidden_layer_sizes=(outer, middle, outer), activation="tanh", alpha=_DECAY,
        solver="lbfgs", max_iter=_ROUNDS, random_state=_SEED,
    )  # fmt: skip
    rows = off[:: max(1, -(-count // MOST_TAUGHT))] * looked_at
    with warnings.catch_warnings():  # its rounds are bounded, and meant to be
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(rows, rows if width > 1 else rows[:, 0])
    weights = [np.asarray(each, dtype=np.float64) for each in network.coefs_]
    biases = [np.asarray(each, dtype=np.float64) for each in network.intercepts_]
    weights[-1], biases[-1] = weights[-1] * looked_at, biases[-1] * looked_at
    return Autoencoder(tuple(weights), tuple(biases), looked_at.astype(np.float64))
