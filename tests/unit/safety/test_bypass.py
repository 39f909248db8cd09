"""A bypass: of a row or a channel, by whom, until when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from appliance.safety.row import Bypass

if TYPE_CHECKING:
    from tests.unit.safety.bench import MakeBench, MakeRow


def a_bypass(until_s: float, channel: str | None = None) -> Bypass:
    return Bypass("high", channel, until_s, actor="kim", reason="broken wire")


@pytest.mark.requirement("A10")
def test_a_bypassed_row_does_not_stop_but_is_seen(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(bypasses=(a_bypass(pump.now_s + 60),))
    pump.values["P/a"] = 9.0
    turn = pump.scan()
    assert not pump.tripped()
    assert pump.state.rows["high"].bare_demand
    assert "(bypassed)" in turn.events[0].message
    assert str(pump.state.rows["high"].vote) == "bypassed"


@pytest.mark.requirement("A10")
def test_a_bypass_that_ends_in_demand_trips_in_that_scan(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(on_delay_s=3.0)).ready()
    pump.scan(bypasses=(a_bypass(pump.now_s + 5.0),))
    pump.values["P/a"] = 9.0
    pump.scans(4.75)
    assert not pump.tripped()
    pump.scan()
    assert pump.tripped()
    assert "bypass_expired" in pump.names


def test_a_bypass_may_be_taken_away(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(bypasses=(a_bypass(pump.now_s + 60),))
    pump.scan(unbypass=frozenset({"high", "unknown"}), actor="lee")
    assert pump.state.rows["high"].bypass is None
    pump.scan(unbypass=frozenset({"high"}))
    assert pump.names == ["bypassed", "bypass_removed"]


def test_a_bypassed_channel_leaves_the_vote_to_the_others(
    bench: MakeBench, row: MakeRow
) -> None:
    channels = ("P/a", "P/b", "P/c")
    pump = bench(row(channels=channels, vote="2oo3", bad_is="exclude")).ready()
    pump.scan(bypasses=(a_bypass(pump.now_s + 60, "P/a"),))
    assert str(pump.state.rows["high"].vote) == "2oo2"
    pump.values["P/a"] = 9.0
    pump.values["P/b"] = 9.0
    pump.scan()
    assert not pump.tripped()
    assert pump.state.rows["high"].bare_demand
    pump.values["P/c"] = 9.0
    pump.scan()
    assert pump.tripped()


@pytest.mark.requirement("A10")
def test_a_row_has_one_bypass_at_a_time(bench: MakeBench) -> None:
    pump = bench().ready()
    first = a_bypass(pump.now_s + 60)
    turn = pump.scan(bypasses=(first, a_bypass(pump.now_s + 99)))
    assert turn.refusals == ("high has its one bypass already",)
    assert pump.names == ["bypassed"]
    turn = pump.scan(bypasses=(a_bypass(pump.now_s + 999),))
    assert turn.refusals == ("high has its one bypass already",)
    assert pump.state.rows["high"].bypass == first
    again = a_bypass(pump.now_s + 30)
    assert not pump.scan(unbypass=frozenset({"high"}), bypasses=(again,)).refusals
    assert pump.state.rows["high"].bypass == again


@pytest.mark.requirement("A10")
def test_no_bypass_outlasts_a_day(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(bypasses=(a_bypass(math.inf),))
    bypass = pump.state.rows["high"].bypass
    assert bypass is not None
    assert bypass.until_s == pump.now_s + 24 * 3600


def test_a_bypassed_bad_channel_does_not_forbid_the_reset(bench: MakeBench) -> None:
    pump = bench()
    pump.values["P/a"] = "bad"
    pump.scan()
    pump.scan(bypasses=(a_bypass(pump.now_s + 60),))
    assert pump.reset().refusals == ()
