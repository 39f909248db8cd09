"""Trees of a forest as arrays, walked in numpy and written as one ONNX node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import numpy_helper

from models.train.nodes import node

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    from numpy.typing import NDArray

    from models.features.table import FloatTable

ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A row goes left where `feature` is at most `threshold`; a leaf has feature -1.

    All are by node [nodes]; `told` [nodes, features] is what a leaf says.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    told: FloatTable

    def leaves(self, rows: FloatTable) -> NDArray[np.int64]:
        """Return where each row ends."""
        at = np.zeros(len(rows), dtype=np.int64)
        every = np.arange(len(rows))
        while True:
            cut = self.feature[at]
            if (cut < 0).all():
                return at
            low = rows[every, np.maximum(cut, 0)] <= self.threshold[at]
            onward = np.where(low, self.left[at], self.right[at])
            at = np.where(cut < 0, at, onward)


def ensemble_of(
    modes: Sequence[Sequence[Tree]], rows: str, out: str, *, several: bool
) -> onnx.NodeProto:
    """Return one node that sums what the trees of each row's mode tell, by feature.

    With several modes `rows` has one column more, the mode, and each tree begins by
    asking for it: it says nothing in another's.
    """
    width = modes[0][0].told.shape[1]
    written = _Written()
    for mode, trees in enumerate(modes):
        for tree in trees:
            written.add(tree, mode=mode if several else None, width=width)
    attributes: dict[str, Any] = dict(written.lists)
    return node(
        "TreeEnsembleRegressor", [rows], [out], domain=ML_DOMAIN,
        n_targets=width, aggregate_function="SUM", post_transform="NONE",
        nodes_values_as_tensor=_tensor(written.values),
        target_weights_as_tensor=_tensor(written.weights), **attributes,
    )  # fmt: skip


def _tensor(values: list[float]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.float64))


_LISTS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids",
    "nodes_falsenodeids", "nodes_modes", "target_treeids", "target_nodeids",
    "target_ids",
)  # fmt: skip


@dataclass(slots=True)
class _Written:
    """The attributes of the node, tree after tree."""

    lists: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in _LISTS}
    )
    values: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    trees: int = 0

    def add(self, tree: Tree, *, mode: int | None, width: int) -> None:
        """Write a tree, behind two questions for the mode where there are several."""
        first = 0
        if mode is not None:  # 0, 1: the questions; 2, 3: nothing is said
            self._cut(0, width, mode - 0.5, onward=(2, 1))
            self._cut(1, width, mode + 0.5, onward=(4, 3))
            self._leaf(2, np.zeros(width))
            self._leaf(3, np.zeros(width))
            first = 4
        for place, cut in enumerate(tree.feature.tolist()):
            if cut < 0:
                self._leaf(first + place, tree.told[place])
                continue
            onward = int(tree.left[place]) + first, int(tree.right[place]) + first
            self._cut(first + place, cut, float(tree.threshold[place]), onward=onward)
        self.trees += 1

    def _cut(
        self, place: int, feature: int, value: float, *, onward: tuple[int, int]
    ) -> None:
        self._node(place, feature, "BRANCH_LEQ", onward)
        self.values.append(value)

    def _leaf(self, place: int, told: NDArray[np.float64]) -> None:
        self._node(place, 0, "LEAF", (0, 0))
        self.values.append(0.0)
        said = np.flatnonzero(told)
        for target in said if len(said) else [0]:
            self.lists["target_treeids"].append(self.trees)
            self.lists["target_nodeids"].append(place)
            self.lists["target_ids"].append(int(target))
            self.weights.append(float(told[target]))

    def _node(
        self, place: int, feature: int, kind: str, onward: tuple[int, int]
    ) -> None:
        lists = self.lists
        lists["nodes_treeids"].append(self.trees)
        lists["nodes_nodeids"].append(place)
        lists["nodes_featureids"].append(feature)
        lists["nodes_modes"].append(kind)
        lists["nodes_truenodeids"].append(onward[0])
        lists["nodes_falsenodeids"].append(onward[1])
