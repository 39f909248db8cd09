"""The distance model as one ONNX graph, made by hand: nothing to convert, exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from models.train.distance import DistanceModel

_OPSET = 18
_IR_VERSION = 9


def graph_of(model: DistanceModel) -> bytes:
    """Return the graph: `features` float32 [N, d] → score, t2, spe, contributions.

    Inside it counts in float64: squares of small differences of large numbers (a
    speed of 1480 rpm) would not survive float32.
    """
    axes = model.pca.components_
    constants = {
        "centre": model.scaler.mean_,
        "scale": model.scaler.scale_,
        "scaled_centre": model.pca.mean_,
        "axes_down": axes.T,
        "axes_up": axes,
        "variance": model.variance,
        "form": model.form,
    }
    initializers = [
        numpy_helper.from_array(np.asarray(each, dtype=np.float64), name)
        for name, each in constants.items()
    ]
    initializers.append(numpy_helper.from_array(np.array([1], np.int64), "rows"))
    count = axes.shape[1]
    value, kind = helper.make_tensor_value_info, TensorProto.FLOAT
    graph = helper.make_graph(
        _nodes(),
        "distance",
        [value("features", kind, [None, count])],
        [
            *(value(name, kind, [None]) for name in ("score", "t2", "spe")),
            value("contributions", kind, [None, count]),
        ],
        initializers,
    )
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wheeltapper",
    )
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _nodes() -> list[onnx.NodeProto]:
    node = helper.make_node

    def total(of: str, name: str) -> onnx.NodeProto:
        return node("ReduceSum", [of, "rows"], [name], keepdims=0)

    def narrow(of: str, name: str) -> onnx.NodeProto:
        return node("Cast", [of], [name], to=TensorProto.FLOAT)

    return [
        node("Cast", ["features"], ["wide"], to=TensorProto.DOUBLE),
        node("Sub", ["wide", "centre"], ["moved"]),
        node("Div", ["moved", "scale"], ["scaled"]),
        node("Sub", ["scaled", "scaled_centre"], ["off"]),
        node("MatMul", ["off", "axes_down"], ["placed"]),
        node("Mul", ["placed", "placed"], ["placed_squared"]),
        node("Div", ["placed_squared", "variance"], ["weighed"]),
        total("weighed", "t2_wide"),
        node("MatMul", ["placed", "axes_up"], ["explained"]),
        node("Sub", ["off", "explained"], ["rest"]),
        node("Mul", ["rest", "rest"], ["rest_squared"]),
        total("rest_squared", "spe_wide"),
        node("MatMul", ["off", "form"], ["weighted"]),
        node("Mul", ["weighted", "weighted"], ["contributions_wide"]),
        total("contributions_wide", "score_squared"),
        node("Sqrt", ["score_squared"], ["score_wide"]),
        narrow("score_wide", "score"),
        narrow("t2_wide", "t2"),
        narrow("spe_wide", "spe"),
        narrow("contributions_wide", "contributions"),
    ]
