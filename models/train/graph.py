"""The learned normals as one ONNX graph, made by hand: nothing to convert, exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.bundle import INPUTS, OUTPUTS
from models.train.nodes import node, seen_through
from models.train.trees import ML_DOMAIN, ML_OPSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.train.distance import DistanceModel

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
            *_distance(modes, several=several),
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
        opset_imports=_opsets(graph),
        ir_version=_IR_VERSION,
        producer_name="wheeltapper",
    )
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _opsets(graph: onnx.GraphProto) -> list[onnx.OperatorSetIdProto]:
    """Name the vocabularies; that of trees where there is one."""
    used = {each.domain for each in graph.node}
    known = (("", _OPSET), (ML_DOMAIN, ML_OPSET))
    return [helper.make_opsetid(*each) for each in known if each[0] in used]


def _choice(names: Sequence[str]) -> list[onnx.NodeProto]:
    """Give each row the constants of its mode; an unknown mode gets the first's."""
    return [
        node("Max", ["mode", "first_mode"], ["known_mode"]),
        *(
            node("Gather", [f"all_{name}", "known_mode"], [name], axis=0)
            for name in names
        ),
    ]


def _distance(modes: Sequence[DistanceModel], *, several: bool) -> list[onnx.NodeProto]:
    """Each part by its limit, and the sum of what they see."""
    parts = modes[0].detectors
    looks = {name: [mode.looks[name] for mode in modes] for name in parts}
    return [
        node("Cast", ["features"], ["wide"], to=TensorProto.DOUBLE),
        node("IsNaN", ["wide"], ["missing"]),
        node("Sub", ["wide", "center"], ["moved"]),
        node("Div", ["moved", "scale"], ["maybe_off"]),
        node("Where", ["missing", "nothing", "maybe_off"], ["off"]),
        *(
            each
            for name, own in looks.items()
            for each in (
                *own[0].nodes(name, own, several=several),
                *_length(name),
            )
        ),
        node("Sum", [f"{name}_squares" for name in parts], ["contributions_known"]),
        node("ReduceSum", ["contributions_known", "last"], ["squared"], keepdims=0),
        node("Sqrt", ["squared"], ["score_known"]),
        node("Concat", list(parts), ["detectors_known"], axis=1),
        *seen_through("off", "shift_form", "shift_known", several=several),
    ]


def _length(name: str) -> list[onnx.NodeProto]:
    """Make a part's squares its length, by its limit."""
    return [
        node("ReduceSum", [f"{name}_squares", "last"], [f"{name}_sum"], keepdims=1),
        node("Sqrt", [f"{name}_sum"], [f"{name}_length"]),
        node("Mul", [f"{name}_length", f"{name}_level"], [name]),
    ]


def _answers() -> list[onnx.NodeProto]:
    """Say nothing of a row in an unknown mode."""
    nodes = [
        node("Less", ["mode", "first_mode"], ["is_unknown"]),
        node("Unsqueeze", ["is_unknown", "columns"], ["is_unknown_row"]),
    ]
    for name in OUTPUTS:
        unknown = "is_unknown" if name == "score" else "is_unknown_row"
        nodes += [
            node("Where", [unknown, "unknown", f"{name}_known"], [f"{name}_wide"]),
            node("Cast", [f"{name}_wide"], [name], to=TensorProto.FLOAT),
        ]
    return nodes
