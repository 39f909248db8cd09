"""What a person is told of the state of safety, for every state that there is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.safety.channel import ChannelState, Trust
from appliance.safety.latch import Latch
from appliance.safety.row import Bypass, RowState
from appliance.safety.scan import Punctuality
from appliance.safety.status import status, word_of
from appliance.safety.turn import Order
from tests.unit.safety.bench import Bench, a_bench, a_row

JOURNAL = SimpleNamespace(
    epoch="e", committed_seq=3, last_seq=5, waiting=2, trouble="full"
)


def told(pump: Bench, **scan: Any) -> dict[str, Any]:  # noqa: ANN401
    given: dict[str, Any] = {
        "state": pump.state,
        "orders": {},
        "punctuality": Punctuality(),
        "heartbeat": 0,
        **scan,
    }
    return status(
        pump.matrix,
        SimpleNamespace(**given),  # type: ignore[arg-type]  # what a status looks at
        JOURNAL,  # type: ignore[arg-type]  # the same
        now_s=pump.now_s,
        realtime="none",
    )


def test_the_scan_and_the_journal_are_told_in_numbers() -> None:
    kept = Punctuality(scans=7, overruns=2, last_s=0.003, longest_s=0.012)
    found = told(a_bench().ready(), punctuality=kept, heartbeat=9)
    assert found["scan"] == {
        "scans": 7,
        "overruns": 2,
        "last_ms": pytest.approx(3.0),
        "longest_ms": pytest.approx(12.0),
        "realtime": "none",
    }
    assert found["heartbeat"] == 9
    assert found["journal"] == {
        "epoch": "e",
        "committed_seq": 3,
        "last_seq": 5,
        "waiting": 2,
        "trouble": "full",
    }


def test_real_time_scheduling_is_named_when_there_is_nothing_to_say_against_it() -> (
    None
):
    pump = a_bench().ready()
    scan = SimpleNamespace(
        state=pump.state, orders={}, punctuality=Punctuality(), heartbeat=0
    )
    given = {"now_s": pump.now_s, "realtime": ""}
    found = status(pump.matrix, scan, JOURNAL, **given)  # type: ignore[arg-type]
    assert found["scan"]["realtime"] == "SCHED_FIFO"


@pytest.mark.parametrize("armed", [True, False])
def test_the_mode_is_told(armed: bool) -> None:
    mode = told(a_bench(armed=armed).ready())["mode"]
    assert mode == ("armed" if armed else "observe")


@pytest.mark.requirement("A9")
def test_the_first_out_is_told_while_something_is_tripped() -> None:
    pump = a_bench().ready()
    found = told(pump)
    assert (found["tripped"], found["first_out"]) == (False, "")
    pump.values["P/a"] = 9.0
    pump.scan()
    found = told(pump)
    assert (found["tripped"], found["first_out"]) == (True, "high")


@pytest.mark.requirement("A11")
@pytest.mark.parametrize(
    ("latch", "stop"),
    [
        (Latch(tripped=False, stopped=True, stop_failed=True), ""),
        (Latch(tripped=True, causes=("high",)), "pending"),
        (Latch(tripped=True, causes=("high",), stop_failed=True), "failed"),
        (Latch(tripped=True, stopped=True, stop_failed=True), "confirmed"),
    ],
)
def test_how_far_a_stop_has_come_is_told(latch: Latch, stop: str) -> None:
    pump = a_bench().ready()
    pump.state = replace(pump.state, latches={"motor": latch})
    (motor,) = told(pump)["elements"]
    assert motor == {
        "id": "motor",
        "tripped": latch.tripped,
        "first_out": latch.first_out,
        "causes": list(latch.causes),
        "stop": stop,
        "heartbeat": False,
    }


@pytest.mark.parametrize("beat", [True, False])
def test_whether_the_heart_of_an_element_beats_is_told(beat: bool) -> None:
    orders = {"motor": Order(may_run=True, beat=beat)}
    (motor,) = told(a_bench().ready(), orders=orders)["elements"]
    assert motor["heartbeat"] is beat


def test_an_initiator_is_told_whole() -> None:
    row = a_row(channels=("P/a", "P/b"), vote="1oo2", bad_is="exclude")
    pump = a_bench(row)
    pump.values = {"P/a": 2.0}
    pump.scan()
    (high,) = told(pump)["initiators"]
    assert (high["vote"], high["acting_vote"], high["degraded"]) == (
        "1oo2",
        "1oo1",
        True,
    )
    assert (high["setpoint"], high["margin"], high["elements"]) == (7.0, 5.0, ["motor"])
    assert high["channels"] == [
        {
            "name": "P/a",
            "trust": "good",
            "value": 2.0,
            "measure": 2.0,
            "demanding": False,
        },
        {
            "name": "P/b",
            "trust": "bad",
            "value": None,
            "measure": None,
            "demanding": False,
        },
    ]
    assert high["bypass"] is None
    pump.ready()
    (high,) = told(pump)["initiators"]
    assert (high["acting_vote"], high["degraded"]) == ("1oo2", False)


def test_a_row_without_any_proof_has_no_margin() -> None:
    (high,) = told(a_bench())["initiators"]
    assert high["margin"] is None


@pytest.mark.requirement("A10")
def test_of_a_bypass_it_is_told_by_whom_and_how_long_it_lasts() -> None:
    pump = a_bench().ready()
    bypass = Bypass("high", None, pump.now_s + 60.0, "kim", "broken wire")
    pump.scan(bypasses=(bypass,))
    (high,) = told(pump)["initiators"]
    assert high["bypass"] == {
        "channel": None,
        "by": "kim",
        "reason": "broken wire",
        "left_s": 60.0 - 0.125,
    }


GOOD = ChannelState(trust=Trust.GOOD, value=1.0, measure=1.0, good_at_s=1.0)
LATE = replace(GOOD, trust=Trust.LATE)
BAD = replace(GOOD, trust=Trust.BAD)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (RowState((GOOD, GOOD)), "clear"),
        (RowState((GOOD, LATE)), "late"),
        (RowState((LATE, BAD)), "bad"),
        (RowState((BAD,), unproven_since_s=0.0), "on-delay"),
        (RowState((BAD,), unproven_since_s=0.0, demand=True), "demand"),
        (
            RowState((BAD,), demand=True, bypass=Bypass("high", None, 9.0, "kim", "r")),
            "bypassed",
        ),
    ],
)
def test_a_row_is_told_in_one_word_the_gravest_first(
    state: RowState, word: str
) -> None:
    assert word_of(state) == word
