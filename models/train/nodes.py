"""Words of ONNX that several parts of the graph are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    import onnx
    from numpy.typing import ArrayLike, DTypeLike

node = helper.make_node


def seen_through(
    rows: str, matrix: str, out: str, *, several: bool
) -> list[onnx.NodeProto]:
    """Multiply rows by a matrix; with several modes each row by its own."""
    if not several:
        return [node("MatMul", [rows, matrix], [out])]
    return [
        node("Unsqueeze", [rows, "columns"], [f"{out}_off"]),
        node("MatMul", [f"{out}_off", matrix], [f"{out}_deep"]),
        node("Squeeze", [f"{out}_deep", "columns"], [out]),
    ]


def constant(
    name: str, value: ArrayLike, dtype: DTypeLike = np.float64
) -> onnx.NodeProto:
    """Return a node that says a constant, the same in every mode."""
    tensor = numpy_helper.from_array(np.asarray(value, dtype=dtype), f"{name}_value")
    return node("Constant", [], [name], value=tensor)
