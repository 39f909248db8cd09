"""A model may demand, and never more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.event import EventKind

if TYPE_CHECKING:
    from tests.unit.safety.bench import Bench, MakeBench, MakeRow


@pytest.fixture
def with_model(bench: MakeBench, row: MakeRow) -> Any:  # noqa: ANN401
    model = row(id="model", source="model", channels=(), setpoint=0.5, vote="1oo1")
    pump = bench(row(), model)
    pump.models["model"] = 0.0
    return pump.ready()


def test_a_model_may_demand(with_model: Bench) -> None:
    with_model.models["model"] = 1.0
    with_model.scan()
    assert with_model.first_out == "model"


@pytest.mark.parametrize("word", [None, "bad", math.nan])
@pytest.mark.requirement("A16")
def test_a_model_that_is_absent_stale_or_bad_is_no_demand_but_is_told(
    with_model: Bench,
    word: float | str | None,
) -> None:
    with_model.models["model"] = word
    turn = with_model.scans(3.0)
    assert not with_model.tripped()
    assert turn.orders["motor"].beat
    assert "channel_bad" in with_model.names


def test_a_model_that_demanded_and_went_silent_no_longer_demands(
    with_model: Bench,
) -> None:
    with_model.models["model"] = 1.0
    with_model.scan()
    with_model.models["model"] = None
    with_model.scans(1.0)
    assert with_model.reset().refusals == ()


def test_a_model_never_heard_of_is_told_at_the_start(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(), row(id="model", source="model", channels=()))
    pump.values["P/a"] = 1.0
    turn = pump.scan()
    kinds = {event.kind for event in turn.events if event.name == "channel_bad"}
    assert kinds == {EventKind.MODEL}
