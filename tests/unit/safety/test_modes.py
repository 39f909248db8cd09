"""Observe and armed: what is judged, what is ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.safety.bench import MakeBench


def test_observe_judges_but_never_beats(bench: MakeBench) -> None:
    pump = bench(armed=False).ready()
    pump.values["P/a"] = 8.0
    turn = pump.scan()
    assert pump.tripped()
    assert not turn.orders["motor"].beat
    pump.running = 1.0
    pump.scans(10.0)
    assert "stop_failed" not in pump.names
    assert "stop_confirmed" not in pump.names


def test_arming_trips_what_was_not(bench: MakeBench) -> None:
    pump = bench(armed=False).ready()
    turn = pump.scan(arm=True, actor="kim")
    assert pump.first_out == "arming"
    assert not turn.orders["motor"].may_run
    assert pump.names == ["mode", "first_out"]
    pump.scan(arm=True)
    assert pump.names.count("mode") == 1


def test_arming_what_is_tripped_leaves_its_first_out(bench: MakeBench) -> None:
    pump = bench(armed=False)
    pump.scan()
    pump.scan(arm=True)
    assert pump.state.latches["motor"].causes == ("power-up", "high")


def test_standing_down_withholds_the_heartbeat_at_once(bench: MakeBench) -> None:
    pump = bench().ready()
    assert not pump.scan(arm=False).orders["motor"].beat
