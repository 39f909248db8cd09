"""The same graph with smaller numbers: what it saves, and what it decides otherwise.

The matrices are stored in fewer bits and widened where they are used; the arithmetic
stays. A bundle's golden vectors are asked anew, or the detector would refuse it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from models.bundle import OUTPUTS

if TYPE_CHECKING:
    from models.bundle import Bundle, Golden

KINDS = ("float32", "float16", "int8")
_STEPS = 127.0


def smaller(bundle: Bundle, kind: str) -> Bundle:
    """Return the bundle with its matrices stored as one of `KINDS`."""
    graph = graph_in(bundle.graph, kind)
    return replace(bundle, graph=graph, golden=_asked(graph, bundle.golden))


def graph_in(content: bytes, kind: str) -> bytes:
    """Return a graph whose float64 matrices are stored as `kind`.

    An int8 matrix has a step for each of its columns.
    """
    model = onnx.load_from_string(content)
    kept, widening = [], []
    for each in model.graph.initializer:
        matrix = numpy_helper.to_array(each)
        if matrix.dtype != np.float64 or matrix.ndim < 2:
            kept.append(each)
            continue
        small, step = _stored(matrix, kind)
        kept += [
            numpy_helper.from_array(small, f"{each.name}_small"),
            numpy_helper.from_array(step, f"{each.name}_step"),
        ]
        wide = f"{each.name}_wide"
        widening += [
            helper.make_node(
                "Cast", [f"{each.name}_small"], [wide], to=TensorProto.DOUBLE
            ),
            helper.make_node("Mul", [wide, f"{each.name}_step"], [each.name]),
        ]
    nodes = [*widening, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _stored(matrix: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix in fewer bits, and what each column is to be multiplied by."""
    if kind != "int8":
        return matrix.astype(kind), np.ones(1)
    step = np.abs(matrix).max(axis=-2, keepdims=True) / _STEPS
    step = np.where(step > 0.0, step, 1.0)
    return np.round(matrix / step).astype(np.int8), step


def _asked(graph: bytes, golden: Golden) -> Golden:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    asked = {"features": golden.features, "mode": golden.mode}
    answers = session.run(list(OUTPUTS), asked)
    return replace(golden, **dict(zip(OUTPUTS, answers, strict=True)))
