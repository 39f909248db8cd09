"""What each part of a model promises, and the plainest of them: a quadratic form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from models.train.nodes import node, seen_through

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from models.features.table import FloatTable


class Part(Protocol):
    """One way of seeing how far a row is from normal, fitted on normal rows.

    `off` are rows [n, features], in usual spreads from what is usual.
    """

    def squares(self, off: FloatTable, weight: float) -> FloatTable:
        """Return what each feature adds to the square of the weighed distance."""
        ...

    def constants(self, weight: float) -> Mapping[str, NDArray[np.float64]]:
        """Return what the graph needs, of the same shapes in every mode."""
        ...

    def nodes(
        self, name: str, modes: Sequence[Part], *, several: bool
    ) -> list[onnx.NodeProto]:
        """Return the way from `off` to `{name}_squares`; `modes` are its fits."""
        ...

    @property
    def cost(self) -> str:
        """What it holds and does for a window, in words for the card."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A quadratic form: the distance is |off · form| (form: [features, features])."""

    form: FloatTable

    def squares(self, off: FloatTable, weight: float) -> FloatTable:
        """See the rows through the matrix."""
        return np.asarray((off @ (self.form * weight)) ** 2, dtype=np.float64)

    def constants(self, weight: float) -> Mapping[str, NDArray[np.float64]]:
        """Return the matrix, weighed."""
        return {"form": self.form * weight}

    def nodes(
        self,
        name: str,
        modes: Sequence[Part],  # noqa: ARG002 - its constants say all of the modes
        *,
        several: bool,
    ) -> list[onnx.NodeProto]:
        """Multiply, and square."""
        return [
            *seen_through("off", f"{name}_form", f"{name}_seen", several=several),
            node("Mul", [f"{name}_seen", f"{name}_seen"], [f"{name}_squares"]),
        ]

    @property
    def cost(self) -> str:
        """Tell the size of the matrix."""
        return f"a matrix of {self.form.shape[0]} by {self.form.shape[1]}"
