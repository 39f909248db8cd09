"""The life of an alarm against a table after OPC UA Part 9, 5.7 and 5.8."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.alarms.acts import (
    Acknowledge,
    Act,
    Elapse,
    Observe,
    PutBack,
    Reannounce,
    Reset,
    Shelve,
    Suppress,
    TakeOut,
    Unshelve,
)
from appliance.alarms.delay import Condition, Delay, Lasting
from appliance.alarms.lifecycle import (
    SHELVE_MAX_S,
    Change,
    Design,
    Lifecycle,
    NotPossibleError,
    Shelf,
    State,
    step,
)

ON, OFF, UNKNOWN = Condition.ON, Condition.OFF, Condition.UNKNOWN
PLAIN = Design(Delay(on_s=5.0, off_s=0.0))
LATCHING = Design(Delay(on_s=5.0, off_s=0.0), latches=True)
NOW_S = 1000.0

ACTIVE = Lasting(ON, active=True)
GONE = Lasting(OFF)
STARTS: dict[State, tuple[Design, Lifecycle]] = {
    State.NORMAL: (PLAIN, Lifecycle(GONE)),
    State.PENDING: (PLAIN, Lifecycle(Lasting(ON, since_s=NOW_S - 1))),
    State.ACTIVE_UNACK: (PLAIN, Lifecycle(ACTIVE, acknowledged=False)),
    State.ACTIVE_ACK: (PLAIN, Lifecycle(ACTIVE)),
    State.RTN_UNACK: (PLAIN, Lifecycle(GONE, acknowledged=False)),
    State.LATCHED_UNACK: (
        LATCHING, Lifecycle(GONE, acknowledged=False, latched=True),
    ),
    State.LATCHED_ACK: (LATCHING, Lifecycle(GONE, latched=True)),
    State.SHELVED: (PLAIN, Lifecycle(ACTIVE, shelf=Shelf(NOW_S + 60))),
    State.SUPPRESSED: (PLAIN, Lifecycle(ACTIVE, suppressed=True)),
    State.OUT_OF_SERVICE: (PLAIN, Lifecycle(ACTIVE, out_of_service=True)),
}  # fmt: skip
ACTS: dict[str, tuple[Act, float]] = {
    "on": (Observe(ON), 0.0),
    "off": (Observe(OFF), 0.0),
    "unknown": (Observe(UNKNOWN), 0.0),
    "later": (Elapse(), 100.0),
    "ack": (Acknowledge(), 0.0),
    "reset": (Reset(), 0.0),
    "shelve": (Shelve(60.0), 0.0),
    "unshelve": (Unshelve(), 0.0),
    "suppress": (Suppress(), 0.0),
    "unsuppress": (Suppress(suppressed=False), 0.0),
    "take_out": (TakeOut(), 0.0),
    "put_back": (PutBack(), 0.0),
    "worse": (Reannounce(), 0.0),
}
COLUMNS = tuple(ACTS)
SAME, NO = "=", "refused"

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "alarm-states.md"


def table_of_the_page() -> list[list[str]]:
    """Every state and every act: the state after it, `=` the same, `refused`."""
    _, rest = PAGE.read_text().split("<!-- table: transitions -->")
    lines = [line for line in rest.split("\n\n")[0].splitlines() if line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def cases() -> list[tuple[str, str, str]]:
    head, _, *rows = table_of_the_page()
    assert tuple(head[1:]) == COLUMNS
    assert [row[0] for row in rows] == [str(state) for state in State]
    return [
        (row[0], name, after)
        for row in rows
        for name, after in zip(COLUMNS, row[1:], strict=True)
    ]


@pytest.mark.parametrize(("before", "name", "after"), cases())
def test_the_transition_table(before: str, name: str, after: str) -> None:
    design, life = STARTS[State(before)]
    assert life.state == before
    act, later_s = ACTS[name]
    if after == NO:
        with pytest.raises(NotPossibleError):
            step(design, life, act, NOW_S + later_s)
        return
    found, _ = step(design, life, act, NOW_S + later_s)
    assert found.state == (before if after == SAME else after)


def changes(*acts: tuple[float, Act], design: Design = PLAIN) -> list[Change]:
    life = Lifecycle()
    told: list[Change] = []
    for at_s, act in acts:
        life, happened = step(design, life, act, at_s)
        told += happened
    return told


def test_acknowledging_before_or_after_the_return_ends_alike() -> None:
    start = Lifecycle(ACTIVE, acknowledged=False)
    first, _ = step(PLAIN, start, Acknowledge(), NOW_S)
    first, _ = step(PLAIN, first, Observe(OFF), NOW_S)
    second, _ = step(PLAIN, start, Observe(OFF), NOW_S)
    second, _ = step(PLAIN, second, Acknowledge(), NOW_S)
    assert first == second
    assert first.state is State.NORMAL


def test_bad_quality_never_returns_an_alarm_to_normal() -> None:
    life, told = step(PLAIN, Lifecycle(ACTIVE), Observe(UNKNOWN), NOW_S)
    life, later = step(PLAIN, life, Elapse(), NOW_S + 1e6)
    assert life.active
    assert told == later == ()


def test_every_change_is_told_once() -> None:
    told = changes(
        (0.0, Observe(ON)),
        (5.0, Elapse()),
        (6.0, Elapse()),
        (7.0, Acknowledge()),
        (8.0, Observe(OFF)),
        (9.0, Observe(OFF)),
    )
    assert told == [Change.ACTIVE, Change.ACKNOWLEDGED, Change.RETURNED]


def test_a_return_that_comes_after_the_delay_was_over_is_told_after_the_alarm() -> None:
    told = changes((0.0, Observe(ON)), (5.0, Observe(OFF)))
    assert told == [Change.ACTIVE, Change.RETURNED]


def test_a_latch_holds_until_it_is_acknowledged_and_reset() -> None:
    acts: list[tuple[float, Act]] = [(0, Observe(ON)), (5, Elapse()), (6, Observe(OFF))]
    acts += [(7, Acknowledge()), (8, Reset())]
    assert changes(*acts, design=LATCHING)[-1] is Change.RESET


@pytest.mark.parametrize("condition", [ON, UNKNOWN])
def test_a_latch_is_not_reset_unless_its_condition_is_proved_gone(
    condition: Condition,
) -> None:
    _, life = STARTS[State.LATCHED_ACK]
    life, _ = step(LATCHING, life, Observe(condition), NOW_S)
    with pytest.raises(NotPossibleError, match="not known to be gone"):
        step(LATCHING, life, Reset(), NOW_S)


def test_an_active_latching_alarm_is_not_reset() -> None:
    life = Lifecycle(ACTIVE, latched=True)
    with pytest.raises(NotPossibleError, match="lasts"):
        step(LATCHING, life, Reset(), NOW_S)


def test_a_timed_shelf_ends_by_itself_and_what_is_still_active_is_announced() -> None:
    life, told = step(PLAIN, Lifecycle(ACTIVE), Shelve(60.0), NOW_S)
    assert told == (Change.SHELVED,)
    life, told = step(PLAIN, life, Elapse(), NOW_S + 59.9)
    assert life.state is State.SHELVED
    life, told = step(PLAIN, life, Elapse(), NOW_S + 60.0)
    assert told == (Change.UNSHELVED, Change.REANNOUNCED)
    assert life.state is State.ACTIVE_UNACK


def test_a_timed_shelf_outlasts_a_return() -> None:
    life, _ = step(PLAIN, Lifecycle(ACTIVE), Shelve(60.0), NOW_S)
    life, told = step(PLAIN, life, Observe(OFF), NOW_S + 1)
    assert told == (Change.RETURNED,)
    assert life.state is State.SHELVED
    life, told = step(PLAIN, life, Elapse(), NOW_S + 60)
    assert told == (Change.UNSHELVED,)


def test_a_one_shot_shelf_ends_with_the_return() -> None:
    life, _ = step(PLAIN, Lifecycle(ACTIVE), Shelve(60.0, one_shot=True), NOW_S)
    life, told = step(PLAIN, life, Observe(OFF), NOW_S + 1)
    assert told == (Change.RETURNED, Change.UNSHELVED)
    assert life.state is State.NORMAL


def test_a_one_shot_shelf_has_an_end_too() -> None:
    life, _ = step(PLAIN, Lifecycle(ACTIVE), Shelve(60.0, one_shot=True), NOW_S)
    life, told = step(PLAIN, life, Elapse(), NOW_S + 60)
    assert Change.REANNOUNCED in told


@pytest.mark.parametrize("length_s", [0.0, -1.0, float("nan"), SHELVE_MAX_S + 1])
def test_a_shelf_has_a_longest_time(length_s: float) -> None:
    with pytest.raises(NotPossibleError, match="at most"):
        step(PLAIN, Lifecycle(), Shelve(length_s), NOW_S)


def test_an_alarm_lives_on_below_its_masks() -> None:
    life, _ = step(PLAIN, Lifecycle(GONE), Suppress(), NOW_S)
    life, _ = step(PLAIN, life, Observe(ON), NOW_S)
    life, told = step(PLAIN, life, Elapse(), NOW_S + 5)
    assert told == (Change.ACTIVE,)
    assert life.state is State.SUPPRESSED
    life, told = step(PLAIN, life, Acknowledge(), NOW_S + 6)
    assert told == (Change.ACKNOWLEDGED,)


def test_a_mask_that_ends_below_another_announces_nothing() -> None:
    both = Lifecycle(ACTIVE, suppressed=True, out_of_service=True)
    life, told = step(PLAIN, both, Suppress(suppressed=False), NOW_S)
    assert told == (Change.UNSUPPRESSED,)
    life, told = step(PLAIN, life, PutBack(), NOW_S)
    assert told == (Change.IN_SERVICE, Change.REANNOUNCED)


def test_every_state_is_explained_on_the_page_and_in_the_order_of_precedence() -> None:
    text = PAGE.read_text()
    shown = text.split("## Which state is shown")[1].split("Below 1 to 3")[0]
    assert all(f"| `{state}` |" in text for state in State)
    places = [shown.index(f"`{state}`") for state in reversed(list(State)[7:])]
    assert places == sorted(places)
    assert all(f"`{state}`" in shown for state in State)


REALARMING = Design(Delay(), realarm_s=60.0)


def test_an_alarm_that_stays_active_is_announced_again_and_again() -> None:
    life, told = step(REALARMING, Lifecycle(), Observe(ON), 0.0)
    life, _ = step(REALARMING, life, Acknowledge(), 1.0)
    life, told = step(REALARMING, life, Elapse(), 59.9)
    assert told == ()
    life, told = step(REALARMING, life, Elapse(), 60.0)
    assert told == (Change.REANNOUNCED,)
    assert (life.state, life.realarms) == (State.ACTIVE_UNACK, 1)
    life, told = step(REALARMING, life, Elapse(), 119.9)
    assert told == ()
    life, told = step(REALARMING, life, Elapse(), 120.0)
    assert (told, life.realarms) == ((Change.REANNOUNCED,), 2)


def test_the_time_to_the_next_announcement_begins_with_the_next_activation() -> None:
    life, _ = step(REALARMING, Lifecycle(), Observe(ON), 0.0)
    life, _ = step(REALARMING, life, Observe(OFF), 50.0)
    assert (life.announced_s, life.realarms) == (None, 0)
    life, _ = step(REALARMING, life, Observe(ON), 55.0)
    _, told = step(REALARMING, life, Elapse(), 61.0)
    assert told == ()


def test_what_is_masked_is_not_announced_again() -> None:
    life, _ = step(REALARMING, Lifecycle(), Observe(ON), 0.0)
    life, _ = step(REALARMING, life, Shelve(600.0), 1.0)
    life, told = step(REALARMING, life, Elapse(), 300.0)
    assert (told, life.realarms) == ((), 0)
    life, told = step(REALARMING, life, Unshelve(), 301.0)
    assert told == (Change.UNSHELVED, Change.REANNOUNCED)


def test_what_the_shelf_gives_back_is_announced_once() -> None:
    life, _ = step(REALARMING, Lifecycle(), Observe(ON), 0.0)
    life, _ = step(REALARMING, life, Shelve(600.0), 1.0)
    life, told = step(REALARMING, life, Elapse(), 700.0)
    assert (told, life.realarms) == ((Change.UNSHELVED, Change.REANNOUNCED), 0)


def test_what_became_worse_is_announced_to_who_has_seen_it() -> None:
    life, told = step(PLAIN, Lifecycle(ACTIVE), Reannounce(), NOW_S)
    assert told == (Change.REANNOUNCED,)
    assert life.state is State.ACTIVE_UNACK
    masked = Lifecycle(ACTIVE, suppressed=True)
    assert step(PLAIN, masked, Reannounce(), NOW_S) == (masked, ())


def test_the_design_sets_the_longest_time_on_the_shelf_or_forbids_it() -> None:
    short = Design(Delay(), shelve_max_s=60.0)
    life, _ = step(short, Lifecycle(ACTIVE), Shelve(60.0), NOW_S)
    assert life.state is State.SHELVED
    with pytest.raises(NotPossibleError, match="at most 60 s"):
        step(short, Lifecycle(ACTIVE), Shelve(60.1), NOW_S)
    with pytest.raises(NotPossibleError, match="may not be shelved"):
        step(Design(Delay(), shelve_max_s=0.0), Lifecycle(), Shelve(1.0), NOW_S)


class AnyLife(RuleBasedStateMachine):
    """Whatever is done to an alarm, some things never happen."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.design = LATCHING
        self.life = Lifecycle()
        self.proved_gone_since_active = True

    def do(self, act: Act) -> None:
        before = self.life
        try:
            self.life, told = step(self.design, before, act, self.now_s)
        except NotPossibleError:
            return
        if Change.RETURNED in told:
            assert self.life.lasting.condition is OFF
        if Change.ACTIVE in told or Change.REANNOUNCED in told:
            unseen = not self.life.acknowledged or isinstance(act, Acknowledge)
            assert unseen or Change.RETURNED in told
        if before.latched and not self.life.latched:
            assert isinstance(act, Reset)
        if self.life.acknowledged and not before.acknowledged:
            assert isinstance(act, Acknowledge)

    @rule(condition=st.sampled_from(list(Condition)))
    def observe(self, condition: Condition) -> None:
        self.do(Observe(condition))

    @rule(passed_s=st.floats(0, 100))
    def wait(self, passed_s: float) -> None:
        self.now_s += passed_s
        self.do(Elapse())

    @rule(act=st.sampled_from([act for act, _ in ACTS.values()]))
    def act(self, act: Act) -> None:
        self.do(act)

    @precondition(lambda self: self.life.shelf is not None)
    @rule()
    def wait_for_the_shelf(self) -> None:
        self.now_s += SHELVE_MAX_S
        self.do(Elapse())
        assert self.life.shelf is None

    @invariant()
    def the_effective_state_follows_the_precedence(self) -> None:
        life = self.life
        masks = {State.OUT_OF_SERVICE, State.SUPPRESSED, State.SHELVED}
        assert life.masked == (life.state in masks)
        if life.out_of_service:
            assert life.state is State.OUT_OF_SERVICE

    @invariant()
    def an_active_alarm_of_this_design_is_latched(self) -> None:
        assert self.life.latched or not self.life.active


TestAnyLife = AnyLife.TestCase
