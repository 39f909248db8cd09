"""How the models do reaches the outbox hour by hour, in rows of few bytes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from appliance.domain.model_figures import ModelFigure
from appliance.hub.model_figures import FIGURES_MAX, ModelFigures
from appliance.hub.summaries import row_of_summary
from appliance.wire.outbox import Stream
from appliance.wire.payload import encode

S = 1_000_000_000
HOUR_NS = 3600 * S
HOUR = 500_000
TELEMETRY = {"took_ms_p50": 1.5, "score_p99": 0.8, "confidence": 1.0}


def status(judged: int, **more: object) -> dict[str, Any]:
    return {
        "models": {"P-101": "v1"},
        "judged": {"P-101": judged},
        "telemetry": {"P-101": TELEMETRY},
        "memory_bytes": 150_000_000,
        "drift": {},
        **more,
    }


def at(minute: float, hour: int = HOUR) -> int:
    return hour * HOUR_NS + round(minute * 60 * S)


def named(figure: str, version: str = "v1") -> str:
    return ModelFigure("P-101", version, figure).tag


def test_an_hour_becomes_a_row_for_each_figure() -> None:
    figures = ModelFigures()
    for minute in range(60):
        assert figures.due(at(minute)) == []
        told = {"P-101": {**TELEMETRY, "took_ms_p50": 1.0 + minute % 2}}
        figures.look(status(minute + 1, telemetry=told), at(minute))
    rows = {each.tag: each for each in figures.due(at(60))}
    assert set(rows) == {named(f) for f in (*TELEMETRY, "drifted", "memory_bytes")}
    took = rows[named("took_ms_p50")]
    assert (took.start_ns, took.period_s) == (at(0), 3600.0)
    assert (took.count, took.bad, took.min, took.max) == (60, 0, 1.0, 2.0)
    assert took.mean == pytest.approx(1.5)
    assert rows[named("drifted")].max == 0.0
    assert figures.due(at(61)) == []
    assert figures.close() == []


def test_looks_at_which_nothing_was_judged_are_bad() -> None:
    figures = ModelFigures()
    for minute, judged in enumerate((5, 6, 6, 6, 7)):
        figures.look(status(judged), at(minute))
    (row, *_) = figures.close()
    assert (row.count, row.bad) == (3, 2)


def test_another_model_has_rows_of_its_own() -> None:
    figures = ModelFigures()
    figures.look(status(1), at(0))
    figures.look(status(2, models={"P-101": "v2"}), at(1))
    tags = {each.tag for each in figures.close()}
    assert {named("confidence"), named("confidence", "v2")} <= tags


def test_what_was_never_told_or_is_no_number_is_no_row() -> None:
    figures = ModelFigures()
    figures.look({}, at(0))
    figures.look(status(1, telemetry={}), at(1))
    figures.look(status(2, models={"P-101": "v" * 200}), at(2))
    assert figures.close() == []
    odd = {"P-101": {"a": math.nan, "b": "x", "c": 1.0}}
    figures.look(status(3, telemetry=odd, memory_bytes=None), at(3))
    assert {each.tag for each in figures.close()} == {named("c"), named("drifted")}


def test_the_figures_of_an_hour_are_bounded() -> None:
    figures = ModelFigures()
    many = {f"x{i}": 1.0 for i in range(FIGURES_MAX // 2)}
    for judged, version in enumerate(("v1", "v2", "v3")):
        told = status(judged, models={"P-101": version}, telemetry={"P-101": many})
        figures.look(told, at(0))
    assert len(figures.close()) <= FIGURES_MAX


def test_an_hour_of_a_model_costs_the_uplink_some_hundred_bytes() -> None:
    figures = ModelFigures()
    telemetry = {
        f"{name}_{p}": 0.1 * place
        for place, (name, p) in enumerate(
            (name, p) for name in ("took_ms", "score") for p in ("p50", "p90", "p99")
        )
    }
    for minute in range(60):
        told = {k: v + 0.0137 * minute for k, v in telemetry.items()}
        figures.look(status(minute + 1, telemetry={"P-101": told}), at(minute))
    rows = [row_of_summary(each) for each in figures.close()]
    payload = encode(rows, epoch="e", stream=Stream.SUMMARY, first_seq=1, settled=0)
    assert len(rows) == 8
    assert len(payload) < 600
