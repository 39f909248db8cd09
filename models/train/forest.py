"""How few cuts by chance set a window apart: `forest` (Liu, Ting and Zhou 2008).

Each cut of a tree either saves steps on the way to where a row stands alone or wastes
them, and what all cuts on a feature save is known for every leaf. So one tree ensemble
tells, by feature, how much shorter the ways to a row are than the mean way to the rows
it was grown on. The square of the distance is that sum, 0 where the ways are longer; it
is shared among the features that saved steps, by how many: an approximation that costs
no second question. A forest knows no further than its outermost cuts: what is much too
far is no farther to it than what is too far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto
from sklearn.ensemble import IsolationForest

from models.train.nodes import constant, node
from models.train.trees import Tree, ensemble_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable
    from models.train.part import Part

TREES, MOST_SAMPLED = 50, 128
"""Trees, and rows that each of them is grown on at most."""
_SEED = 0
_TINY = 1e-9
_PAIR = 2


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees whose leaves tell the steps saved by feature; `usual` [features]: mean."""

    trees: tuple[Tree, ...]
    usual: FloatColumn

    def saved(self, off: FloatTable) -> FloatTable:
        """Return the steps saved on the mean way to each row, by feature.

        Their sum is by how much its ways are shorter than usual, in the mean.
        """
        return _told(self.trees, off) - self.usual

    def squares(self, off: FloatTable, weight: float) -> FloatTable:
        """Share what was saved among the features that saved."""
        saved = self.saved(off)
        whole = np.maximum(saved.sum(axis=1, keepdims=True), 0.0)
        savers = np.maximum(saved, 0.0)
        all_saved = np.maximum(savers.sum(axis=1, keepdims=True), _TINY)
        return np.asarray(weight**2 * whole * savers / all_saved, dtype=np.float64)

    def constants(self, weight: float) -> Mapping[str, NDArray[np.float64]]:
        """Return what is usual, and the weight: the trees are a node's."""
        return {"usual": self.usual, "gain": np.array([weight**2])}

    def nodes(
        self, name: str, modes: Sequence[Part], *, several: bool
    ) -> list[onnx.NodeProto]:
        """Ask all trees of all modes at once."""
        n, rows = name, "off"
        made = []
        if several:
            double, rows = TensorProto.DOUBLE, f"{n}_rows"
            made = [
                node("Cast", ["known_mode"], [f"{n}_mode"], to=double),
                node("Unsqueeze", [f"{n}_mode", "columns"], [f"{n}_mode_column"]),
                node("Concat", ["off", f"{n}_mode_column"], [rows], axis=1),
            ]
        trees = [each.trees for each in modes if isinstance(each, Forest)]
        return [
            *made,
            ensemble_of(trees, rows, f"{n}_told", several=several),
            node("Cast", [f"{n}_told"], [f"{n}_wide"], to=TensorProto.DOUBLE),
            node("Sub", [f"{n}_wide", f"{n}_usual"], [f"{n}_saved"]),
            constant(f"{n}_least", _TINY),
            node("ReduceSum", [f"{n}_saved", "last"], [f"{n}_total"], keepdims=1),
            node("Relu", [f"{n}_total"], [f"{n}_whole"]),
            node("Relu", [f"{n}_saved"], [f"{n}_savers"]),
            node("ReduceSum", [f"{n}_savers", "last"], [f"{n}_some"], keepdims=1),
            node("Max", [f"{n}_some", f"{n}_least"], [f"{n}_all"]),
            node("Div", [f"{n}_savers", f"{n}_all"], [f"{n}_share"]),
            node("Mul", [f"{n}_share", f"{n}_whole"], [f"{n}_shared"]),
            node("Mul", [f"{n}_shared", f"{n}_gain"], [f"{n}_squares"]),
        ]

    @property
    def cost(self) -> str:
        """Tell how many trees."""
        leaves = sum(int((tree.feature < 0).sum()) for tree in self.trees)
        return f"{len(self.trees)} trees, {leaves} leaves, in one node"


def fit_forest(off: FloatTable, looked_at: NDArray[np.bool_]) -> Forest:
    """Grow trees on rows held to be normal; always the same on the same rows."""
    columns = np.flatnonzero(looked_at)
    if not len(columns):
        return Forest((_stump(off.shape[1]),), np.zeros(off.shape[1]))
    grown = IsolationForest(
        n_estimators=TREES, max_samples=min(MOST_SAMPLED, len(off)), random_state=_SEED
    ).fit(off[:, columns])
    parts = zip(grown.estimators_, grown.estimators_features_, strict=True)
    trees = tuple(
        _tree(each.tree_, columns[features], off.shape[1]) for each, features in parts
    )
    return Forest(trees, _told(trees, off).mean(axis=0))


def _told(trees: Sequence[Tree], off: FloatTable) -> FloatTable:
    found = np.zeros_like(off)
    for tree in trees:
        found += tree.told[tree.leaves(off)]
    return found


def _stump(width: int) -> Tree:
    """Return a tree that says nothing, where nothing moved that it could ask for."""
    leaf = np.zeros(1, dtype=np.int64)
    return Tree(leaf - 1, np.zeros(1), leaf, leaf, np.zeros((1, width)))


def usual_way(rows: NDArray[np.int64]) -> FloatColumn:
    """Return how many cuts set one of so many rows apart, in the mean."""
    many = np.maximum(rows, _PAIR + 1) - 1.0
    length = 2.0 * (np.log(many) + np.euler_gamma) - 2.0 * many / (many + 1.0)
    few = np.where(rows == _PAIR, 1.0, 0.0)
    return np.asarray(np.where(rows > _PAIR, length, few), dtype=np.float64)


def _tree(grown: Any, columns: NDArray[np.int64], width: int) -> Tree:  # noqa: ANN401 - scikit-learn's trees have no types
    """Tell what each leaf saves, of one tree's share of the mean."""
    left = np.array(grown.children_left, dtype=np.int64)
    right = np.array(grown.children_right, dtype=np.int64)
    inner = left >= 0
    feature = np.full(len(left), -1, dtype=np.int64)
    feature[inner] = columns[np.array(grown.feature)[inner]]
    expected = usual_way(np.array(grown.n_node_samples, dtype=np.int64))
    told = np.zeros((len(left), width))
    parents = np.flatnonzero(inner[:1])
    while len(parents):
        for child in (left[parents], right[parents]):
            told[child] = told[parents]
            told[child, feature[parents]] += expected[parents] - 1.0 - expected[child]
        onward = np.concatenate((left[parents], right[parents]))
        parents = onward[inner[onward]]
    told[inner] = 0.0
    return Tree(feature, np.array(grown.threshold, float), left, right, told / TREES)
