"""The hand-over to the PLC: out, and back without a stop, unless there is a doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config import MaintenanceSettings, check_text
from appliance.safety import happenings
from appliance.safety.handover import is_returning
from appliance.safety.logic import power_up
from appliance.safety.maintenance import (
    Handover,
    Life,
    Phase,
    Token,
    redeemed,
    rules_of,
    token_of,
)
from appliance.safety.row import Bypass
from appliance.safety.status import maintenance_of
from appliance.safety.turn import Matrix
from tests.unit.safety.bench import Bench, a_row, an_element

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings
    from appliance.safety.turn import Turn

RULES = MaintenanceSettings(output="plc", request="ask", granted="P/granted")
LIFE = Life("boot 1", "rules 1")
pytestmark = pytest.mark.requirement("A4")


@dataclass
class Pump(Bench):
    """A bench whose PLC grants, and whose motor runs while it may."""

    def scan(self, dt_s: float = 0.125, **commands: Any) -> Turn:  # noqa: ANN401
        turn = super().scan(dt_s, **commands)
        order = turn.orders["motor"]
        if not order.hold:
            self.running = float(order.may_run)
        return turn

    def ask(self, length_s: float = 60.0) -> Turn:
        wanted = Handover("kim", "an upgrade", self.now_s + length_s)
        return self.scan(hand_over=wanted, actor="kim")

    def granted(self) -> Pump:
        """Bring it to where the gateway may leave."""
        assert self.ask().refusals == ()
        self.values["P/granted"] = 1.0
        self.scan()
        assert self.standing is not None
        assert self.standing.phase is Phase.GRANTED
        return self

    @property
    def standing(self) -> Handover | None:
        return self.state.handover

    def token(self) -> Token | None:
        return token_of(self.standing, LIFE)

    def next_life(self, **changes: Any) -> Pump:  # noqa: ANN401
        """Return what finds the token of this life; nothing was heard yet."""
        given = {
            "token": self.token(), "life": LIFE, "causes": {}, "now_s": self.now_s + 5,
            **changes,
        }  # fmt: skip
        causes = given.pop("causes")
        state = power_up(self.matrix, causes, armed=False, **given)
        return Pump(
            self.matrix, state, now_s=self.now_s + 5, values=dict(self.values),
            running=self.running,
        )  # fmt: skip


def a_pump(*rows: InitiatorSettings, armed: bool = True) -> Pump:
    rows = rows or (a_row(),)
    stops = {row.id: ("motor",) for row in rows}
    matrix = Matrix(rows, (an_element(),), stops, RULES)
    pump = Pump(matrix, power_up(matrix, {}, armed=armed))
    pump.values["P/granted"] = 0.0
    pump.ready()
    return pump


# ------------------------------------------------------------------ out


def test_an_operator_asks_the_plc_grants_and_both_are_told() -> None:
    pump = a_pump()
    assert pump.scan().request is False
    turn = pump.ask()
    assert turn.request is True
    assert pump.token() is None
    pump.values["P/granted"] = 1.0
    turn = pump.scan()
    assert turn.request is True
    assert turn.orders["motor"].beat
    assert pump.token() is not None
    assert pump.names[-2:] == ["maintenance_requested", "maintenance_granted"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda p: p.scan(arm=False), "mode is observe"),
        (lambda p: p.scan(stop="tea"), "motor is tripped"),
        (lambda p: p.values.update({"P/a": "late"}), ""),
        (lambda p: p.scan(bypasses=(a_bypass(p),)), "high is bypassed"),
        (lambda p: p.granted(), "a hand-over stands already"),
    ],
    ids=["observe", "tripped", "late", "bypassed", "twice"],
)
def test_a_hand_over_is_refused_when_something_is_not_as_it_should_be(
    spoil: Any,  # noqa: ANN401
    why: str,
) -> None:
    pump = a_pump()
    spoil(pump)
    if not why:
        pump.scans(0.625)
        why = "P/a is late"
    turn = pump.ask()
    assert why in turn.refusals
    assert pump.names[-1] == "maintenance_refused"


def test_a_demand_in_its_on_delay_refuses_a_hand_over() -> None:
    pump = a_pump(a_row(on_delay_s=5.0))
    pump.values["P/a"] = 9.0
    pump.scan()
    assert pump.ask().refusals == ("the demand of high lasts",)


@pytest.mark.parametrize("length_s", [0.0, -1.0, 601.0])
def test_a_hand_over_has_a_limit(length_s: float) -> None:
    assert a_pump().ask(length_s).refusals == ("a hand-over lasts at most 600 s",)


def test_without_the_configuration_there_is_no_hand_over() -> None:
    pump = a_pump()
    pump.matrix = replace(pump.matrix, maintenance=None)
    turn = pump.ask()
    assert turn.refusals == ("[safety.maintenance] is not configured",)
    assert turn.request is None
    state = replace(pump.state, handover=Handover("kim", "x", 1e9))
    pump.state = state
    pump.scan()
    assert pump.standing is not None
    assert pump.standing.phase is Phase.REQUESTED


def test_it_ends_when_its_time_is_over() -> None:
    pump = a_pump()
    pump.ask(1.0)
    assert pump.scans(0.75).request is True
    turn = pump.scan()
    assert turn.request is False
    assert turn.events[-1].name == "maintenance_ended"
    assert turn.events[-1].message.endswith("its time is over")


def test_it_ends_when_it_is_taken_back_or_the_plc_consents_no_longer() -> None:
    pump = a_pump().granted()
    turn = pump.scan(resume=True, actor="lee")
    assert turn.events[-1].message.endswith("taken back by lee")
    assert pump.token() is None
    pump.granted()
    pump.values["P/granted"] = 0.0
    turn = pump.scan()
    assert turn.events[-1].message.endswith("the PLC consents no longer")
    assert turn.request is False


def test_silence_of_the_plc_is_no_consent() -> None:
    pump = a_pump().granted()
    pump.values["P/granted"] = None
    pump.scans(1.0)
    assert pump.standing is not None
    pump.scan()
    assert pump.standing is None


@pytest.mark.requirement("A13")
def test_a_demand_stops_as_ever_and_ends_the_hand_over() -> None:
    pump = a_pump().granted()
    pump.values["P/a"] = 9.0
    turn = pump.scan()
    assert not turn.orders["motor"].may_run
    assert pump.standing is None
    assert pump.token() is None
    assert turn.request is False


def test_standing_down_takes_the_asking_back_with_the_last_word() -> None:
    pump = a_pump().granted()
    assert pump.scan(arm=False).request is False
    assert pump.scan().request is None


def test_the_status_tells_of_it() -> None:
    pump = a_pump()
    assert maintenance_of(pump.standing, pump.now_s) is None
    pump.ask(60.0)
    assert maintenance_of(pump.standing, pump.now_s) == {
        "phase": "requested", "by": "kim", "reason": "an upgrade", "left_s": 59.875,
    }  # fmt: skip


# ------------------------------------------------------------------ and back


def test_the_next_life_takes_over_without_a_stop() -> None:
    pump = a_pump().granted().next_life()
    assert is_returning(pump.state)
    told = list(happenings.of_power_up(pump.matrix, pump.state))
    assert [event.name for event in told] == ["returning"]
    turn = pump.scan()
    assert turn.orders["motor"].may_run
    assert turn.orders["motor"].beat
    assert pump.state.armed
    assert turn.request is False
    assert pump.names == ["taken_over"]


def test_it_writes_nothing_while_something_is_not_heard() -> None:
    pump = a_pump().granted()
    reading = pump.values.pop("P/a")
    back = pump.next_life()
    back.values["P/a"] = None
    for _ in range(8):
        turn = back.scan()
        assert turn.orders["motor"].hold
        assert not turn.orders["motor"].beat
        assert turn.request is None
    back.values["P/a"] = reading
    assert back.state.latches["motor"].tripped
    assert not back.scan().orders["motor"].hold
    assert not back.tripped()


def test_it_waits_for_the_feedback_and_for_the_plc() -> None:
    back = a_pump().granted().next_life()
    running, back.running = back.running, None
    granted, back.values["P/granted"] = back.values["P/granted"], None
    assert back.scan().orders["motor"].hold
    back.running = running
    assert back.scan().orders["motor"].hold
    back.values["P/granted"] = granted
    assert not back.scan().orders["motor"].hold
    assert not back.tripped()


def test_it_waits_for_the_past_of_a_rate() -> None:
    rate = a_row(condition="rate", setpoint=2.0, rate_window_s=1.0)
    pump = a_pump()
    pump = Pump(
        Matrix((rate,), (an_element(),), {rate.id: ("motor",)}, RULES),
        power_up(pump.matrix, {}, armed=True),
    )
    pump.state = power_up(pump.matrix, {}, armed=True)
    pump.values |= {"P/a": 1.0, "P/granted": 0.0}
    pump.scans(2.0)
    assert pump.reset().refusals == ()
    back = pump.granted().next_life()
    holds = [back.scan().orders["motor"].hold for _ in range(8)]
    assert all(holds)
    back.scans(0.5)
    assert not back.tripped()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"P/a": 9.0}, "P/a is demanding"),
        ({"P/a": "bad"}, "P/a is bad"),
        ({"P/granted": 0.0}, "not proved: the PLC's consent"),
        ({"P/granted": "bad"}, "not proved: the PLC's consent"),
    ],
)
@pytest.mark.requirement("A13")
def test_it_powers_up_tripped_when_anything_speaks_against_it(
    spoil: dict[str, Any], why: str
) -> None:
    pump = a_pump(a_row(on_delay_s=5.0)).granted().next_life()
    pump.values |= spoil
    turn = pump.scan()
    assert not turn.orders["motor"].may_run
    assert not turn.orders["motor"].hold
    assert pump.first_out == "power-up"
    refused = [event for event in turn.events if event.name == "take_over_refused"]
    assert why in refused[0].message
    assert turn.request is False


def test_a_machine_that_stopped_meanwhile_stays_stopped() -> None:
    pump = a_pump().granted().next_life()
    pump.running = 0.0
    pump.scan()
    assert pump.first_out == "power-up"


@pytest.mark.parametrize(
    "commands",
    [{"stop": "tea"}, {"arm": False}, {"reset": frozenset({"motor"})}],
    ids=["stop", "observe", "reset"],
)
def test_people_come_before_the_hand_over(commands: dict[str, Any]) -> None:
    pump = a_pump().granted().next_life()
    pump.values["P/a"] = None
    turn = pump.scan(**commands)
    if "reset" in commands:
        assert turn.refusals[0] == "whether to take over is being decided"
        assert turn.orders["motor"].hold
        return
    assert pump.standing is None
    assert pump.state.latches["motor"].causes[0] == "power-up"


def test_it_waits_no_longer_than_was_granted() -> None:
    pump = a_pump().granted().next_life()
    pump.values["P/a"] = None
    pump.scans(54.0)
    assert is_returning(pump.state)
    pump.scans(1.0)
    assert pump.first_out == "power-up"
    assert "high" in pump.state.latches["motor"].causes


def test_a_bypass_does_not_cover_a_return() -> None:
    pump = a_pump().granted().next_life()
    turn = pump.scan(bypasses=(a_bypass(pump),))
    assert not turn.orders["motor"].hold
    assert pump.first_out == "power-up"


@pytest.mark.parametrize("word", [1.0, 9.0])
def test_a_models_demand_speaks_against_it_and_its_silence_does_not(
    word: float,
) -> None:
    model = a_row(id="model", source="model", channels=())
    pump = a_pump(a_row(), model).granted().next_life()
    pump.models["model"] = word
    pump.scan()
    assert pump.tripped() is (word > 7)


def test_two_that_part_speak_against_it() -> None:
    pair = a_row(condition="deviation", channels=("P/a", "P/b"))
    pump = a_pump(pair).granted().next_life()
    pump.values["P/b"] = 99.0
    turn = pump.scan()
    assert "the demand of high lasts" in turn.events[-1].message
    assert pump.tripped()


def test_a_hand_over_is_asked_for_only_by_a_life_that_judges() -> None:
    pump = a_pump().granted().next_life()
    pump.values["P/a"] = None
    assert pump.ask().refusals == ("a hand-over stands already",)
    assert is_returning(pump.state)


# ------------------------------------------------------------------ the token


@pytest.mark.parametrize(
    "changes",
    [
        {"token": None},
        {"life": Life("boot 2", "rules 1")},
        {"life": Life("boot 1", "rules 2")},
        {"life": Life("", "")},
        {"causes": {"motor": ("high",)}},
        {"now_s": 1e9},
        {"now_s": 0.0},
    ],
    ids=["none", "boot", "rules", "blank", "latched", "over", "before"],
)
def test_a_token_is_good_only_where_nothing_has_changed(
    changes: dict[str, Any],
) -> None:
    pump = a_pump().granted().next_life(**changes)
    assert not is_returning(pump.state)
    assert pump.state.latches["motor"].first_out


def test_a_token_without_the_configuration_is_worth_nothing() -> None:
    pump = a_pump().granted()
    pump.matrix = replace(pump.matrix, maintenance=None)
    assert pump.next_life().first_out == "power-up"


def test_a_blank_life_redeems_nothing() -> None:
    token = Token("", "", 0.0, 10.0, "kim", "x")
    assert redeemed(token, Life(), {}, 5.0) is None


def test_the_rules_are_known_by_everything_that_safety_reads(well: str) -> None:
    texts = [
        well,
        well.replace("setpoint = 7.1", "setpoint = 7.2"),
        well.replace("address = 0", "address = 1"),
        well.replace("[safety]", "[safety]\nscan_period_s = 0.2"),
        well.replace('point = "permit"', 'point = "permit"\nconfirm_within_s = 1.0'),
    ]
    found = set()
    for text in texts:
        config, problems = check_text(text)
        assert config is not None, problems
        found.add(rules_of(config))
    assert len(found) == len(texts)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1.0, 9.0, "bad", None]),
            st.sampled_from([1.0, 0.0, None]),
            st.sampled_from(["", "ask", "restart", "resume", "stop", "reset"]),
        ),
        max_size=40,
    )
)
def test_nobody_runs_on_a_demand_whatever_the_order(
    steps: list[tuple[Any, Any, str]],
) -> None:
    pump = a_pump()
    for value, granted, act in steps:
        pump.values |= {"P/a": value, "P/granted": granted}
        if act == "restart":
            pump = pump.next_life()
        wishes: dict[str, dict[str, Any]] = {
            "ask": {"hand_over": Handover("kim", "x", pump.now_s + 30)},
            "resume": {"resume": True},
            "stop": {"stop": "tea"},
            "reset": {"reset": frozenset({"motor"})},
        }
        turn = pump.scan(**wishes.get(act, {}))
        order = turn.orders["motor"]
        if value in {9.0, "bad"}:
            assert not order.may_run
            assert not order.hold


def a_bypass(pump: Bench) -> Bypass:
    return Bypass("high", None, pump.now_s + 60, actor="kim", reason="broken wire")
