"""How far the nearest healthy windows are: `neighbours`.

Distances are taken as `t2` and `spe` together see them: in directions in which a
healthy machine wanders, a long way is not far (measured: in plain spreads there are
twice as many false alarms). The square of the distance is the mean of the squares to
the `NEAREST` of the windows that were kept. So it is a sum over the features, and what
each adds to it is exact. At most `MOST_KEPT` windows are kept, evenly over the
training: windows that follow one another share most of their values, and say little
more than every few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.train.nodes import constant, node, seen_through

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable
    from models.train.part import Part

NEAREST = 5
MOST_KEPT = 512

_NOBODY = 1e30  # of a place that is not taken, as a squared distance
_TIE = 1e-7  # squared: of two that are equally near, the earlier counts everywhere
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Kept windows [`MOST_KEPT`, features], as seen through the form, and how many."""

    kept: FloatTable
    taken: int
    form: FloatTable

    @property
    def reach(self) -> FloatColumn:
        """The square of each kept window; too far where no place is taken."""
        place = np.arange(len(self.kept))
        squares = (self.kept**2).sum(axis=1) + _TIE * place
        return np.where(place < self.taken, squares, _NOBODY)

    def squares(self, off: FloatTable, weight: float) -> FloatTable:
        """Return the mean square to the nearest, by feature."""
        found = np.empty_like(off)
        reach = self.reach
        for begin in range(0, len(off), _ROWS_AT_ONCE):
            rows = off[begin : begin + _ROWS_AT_ONCE] @ self.form
            near = reach - 2.0 * (rows @ self.kept.T)
            nearest = np.argpartition(near, NEAREST - 1, axis=1)[:, :NEAREST]
            away = rows[:, np.newaxis] - self.kept[nearest]
            found[begin : begin + _ROWS_AT_ONCE] = (away**2).mean(axis=1)
        return weight**2 * found

    def constants(self, weight: float) -> Mapping[str, NDArray[np.float64]]:
        """Return what was kept."""
        return {
            "kept": self.kept,
            "reach": self.reach,
            "form": self.form,
            "gain": np.array([weight**2]),
        }

    def nodes(
        self,
        name: str,
        modes: Sequence[Part],  # noqa: ARG002 - its constants say all of the modes
        *,
        several: bool,
    ) -> list[onnx.NodeProto]:
        """Rank all by one product, then measure exactly to the nearest alone."""
        n = name
        turn = [0, 2, 1] if several else [1, 0]
        ranked = [
            constant(f"{n}_two", 2.0),
            constant(f"{n}_count", [NEAREST], np.int64),
            *seen_through("off", f"{n}_form", f"{n}_rows", several=several),
            node("Unsqueeze", [f"{n}_rows", "columns"], [f"{n}_each"]),
            node("Transpose", [f"{n}_kept"], [f"{n}_turned"], perm=turn),
            node("MatMul", [f"{n}_each", f"{n}_turned"], [f"{n}_deep"]),
            node("Squeeze", [f"{n}_deep", "columns"], [f"{n}_along"]),
            node("Mul", [f"{n}_along", f"{n}_two"], [f"{n}_twice"]),
            node("Sub", [f"{n}_reach", f"{n}_twice"], [f"{n}_near"]),
            node(
                "TopK", [f"{n}_near", f"{n}_count"], [f"{n}_by", f"{n}_at"], largest=0
            ),
        ]
        chosen = [node("Gather", [f"{n}_kept", f"{n}_at"], [f"{n}_nearest"], axis=0)]
        if several:
            at = [f"{n}_kept", f"{n}_at_deep"]
            chosen = [
                node("Unsqueeze", [f"{n}_at", "last"], [f"{n}_at_deep"]),
                node("GatherND", at, [f"{n}_nearest"], batch_dims=1),
            ]
        return [
            *ranked,
            *chosen,
            node("Sub", [f"{n}_each", f"{n}_nearest"], [f"{n}_away"]),
            node("Mul", [f"{n}_away", f"{n}_away"], [f"{n}_away_squares"]),
            node(
                "ReduceMean", [f"{n}_away_squares", "columns"], [f"{n}_mean"],
                keepdims=0,
            ),
            node("Mul", [f"{n}_mean", f"{n}_gain"], [f"{n}_squares"]),
        ]  # fmt: skip

    @property
    def cost(self) -> str:
        """Tell how many were kept."""
        return f"{self.taken} windows kept, of {self.kept.shape[1]} features"


def fit_neighbours(off: FloatTable, form: FloatTable) -> Neighbours:
    """Keep rows that are held to be normal, as seen through a form [features, both]."""
    taken = min(len(off), MOST_KEPT)
    at = np.linspace(0, len(off) - 1, max(taken, NEAREST)).astype(int)
    kept = np.zeros((MOST_KEPT, off.shape[1]))
    kept[: len(at)] = off[at] @ form
    return Neighbours(kept, len(at), form)
