"""The learned normals as one ONNX graph, made by hand: nothing to convert, exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.bundle import INPUTS, OUTPUTS
from models.train.distance import DistanceModel

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPSET = 18
_IR_VERSION = 9


def graph_of(modes: Sequence[DistanceModel]) -> bytes:
    """Return the graph of `INPUTS` → `OUTPUTS`; the modes by their number.

    The constants of all modes are stacked, and each row takes those of its own.
    Inside it counts in float64: squares of small differences of large numbers (a
    speed of 1480 rpm) would not survive float32.
    """
    several = len(modes) > 1
    stacked = {
        name: np.stack([mode.constants[name] for mode in modes])
        for name in modes[0].constants
    }
    initializers = [
        numpy_helper.from_array(each.astype(np.float64), f"all_{name}")
        if several
        else numpy_helper.from_array(each[0].astype(np.float64), name)
        for name, each in stacked.items()
    ]
    initializers += [
        numpy_helper.from_array(np.array([1], np.int64), "columns"),
        numpy_helper.from_array(np.array([-1], np.int64), "last"),
        numpy_helper.from_array(np.array(0, np.int64), "first_mode"),
        numpy_helper.from_array(np.array(0.0, np.float64), "nothing"),
        numpy_helper.from_array(np.array(np.nan, np.float64), "unknown"),
    ]
    count, width = len(modes[0].center), len(modes[0].detectors)
    value, kind = helper.make_tensor_value_info, TensorProto.FLOAT
    row: list[int | None] = [None, count]
    shapes: tuple[list[int | None], ...] = ([None], [None, width], row, row)
    graph = helper.make_graph(
        [
            *(_choice(list(stacked)) if several else []),
            *_distance(several=several),
            *_answers(),
        ],
        "normals",
        [
            value(INPUTS[0], kind, [None, count]),
            value(INPUTS[1], TensorProto.INT64, [None]),
        ],
        [value(name, kind, shape) for name, shape in zip(OUTPUTS, shapes, strict=True)],
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


_node = helper.make_node


def _choice(names: Sequence[str]) -> list[onnx.NodeProto]:
    """Give each row the constants of its mode; an unknown mode gets the first's."""
    return [
        _node("Max", ["mode", "first_mode"], ["known_mode"]),
        *(
            _node("Gather", [f"all_{name}", "known_mode"], [name], axis=0)
            for name in names
        ),
    ]


def _distance(*, several: bool) -> list[onnx.NodeProto]:
    """Each part by its limit, and the sum of what they see."""
    parts = DistanceModel.detectors
    return [
        _node("Cast", ["features"], ["wide"], to=TensorProto.DOUBLE),
        _node("IsNaN", ["wide"], ["missing"]),
        _node("Sub", ["wide", "center"], ["moved"]),
        _node("Div", ["moved", "scale"], ["maybe_off"]),
        _node("Where", ["missing", "nothing", "maybe_off"], ["off"]),
        *(node for name in parts for node in _weighed(name, several=several)),
        _node("Sum", [f"{name}_squares" for name in parts], ["contributions_known"]),
        _node("ReduceSum", ["contributions_known", "last"], ["squared"], keepdims=0),
        _node("Sqrt", ["squared"], ["score_known"]),
        _node("Concat", list(parts), ["detectors_known"], axis=1),
        *_seen("shift", "shift_known", several=several),
    ]


def _weighed(name: str, *, several: bool) -> list[onnx.NodeProto]:
    """See rows through a part's matrix: their squares, their length by its limit."""
    return [
        *_seen(name, f"{name}_seen", several=several),
        _node("Mul", [f"{name}_seen", f"{name}_seen"], [f"{name}_squares"]),
        _node("ReduceSum", [f"{name}_squares", "last"], [f"{name}_sum"], keepdims=1),
        _node("Sqrt", [f"{name}_sum"], [f"{name}_length"]),
        _node("Mul", [f"{name}_length", f"{name}_level"], [name]),
    ]


def _seen(name: str, out: str, *, several: bool) -> list[onnx.NodeProto]:
    """Multiply rows by a matrix; with several modes each row by its own."""
    form = f"{name}_form"
    if not several:
        return [_node("MatMul", ["off", form], [out])]
    return [
        _node("Unsqueeze", ["off", "columns"], [f"{out}_off"]),
        _node("MatMul", [f"{out}_off", form], [f"{out}_deep"]),
        _node("Squeeze", [f"{out}_deep", "columns"], [out]),
    ]


def _answers() -> list[onnx.NodeProto]:
    """Say nothing of a row in an unknown mode."""
    nodes = [
        _node("Less", ["mode", "first_mode"], ["is_unknown"]),
        _node("Unsqueeze", ["is_unknown", "columns"], ["is_unknown_row"]),
    ]
    for name in OUTPUTS:
        unknown = "is_unknown" if name == "score" else "is_unknown_row"
        nodes += [
            _node("Where", [unknown, "unknown", f"{name}_known"], [f"{name}_wide"]),
            _node("Cast", [f"{name}_wide"], [name], to=TensorProto.FLOAT),
        ]
    return nodes
