"""A clock in eras: order is kept, steps are seen, what was wrong becomes known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.era import corrected, era_of
from appliance.runtime.clock import (
    ClockReading,
    MachineClocks,
    SystemClock,
    is_synchronised,
)
from appliance.runtime.timekeeping import STEP_NS, Timekeeper

S = 1_000_000_000
HOUR = 3600 * S
TRUE_START = 1_790_000_000 * S


class Machine:
    """Clocks that a test sets. True time is `TRUE_START` plus the time since boot."""

    def __init__(self, wrong_by_ns: int, *, synchronised: bool = False) -> None:
        self.boot_id = "boot-1"
        self.up_ns = 10 * S
        self.wrong_by_ns = wrong_by_ns
        self.synchronised = synchronised

    @property
    def true_ns(self) -> int:
        return TRUE_START + self.up_ns

    def monotonic_ns(self) -> int:
        return self.up_ns

    def read(self) -> ClockReading:
        wall_ns = self.true_ns + self.wrong_by_ns
        return ClockReading(self.up_ns, wall_ns, self.synchronised, self.boot_id)


def keeper_of(machine: Machine) -> Timekeeper:
    keeper = Timekeeper(SystemClock(), machine)
    follow(keeper)
    return keeper


def follow(keeper: Timekeeper) -> int:
    """Look once as the hub does; return the step."""
    look = keeper.look()
    keeper.adopt(look.era)
    keeper.noted(look.offsets)
    return look.step_ns


def test_before_the_first_era_stamps_are_the_plain_clock() -> None:
    keeper = Timekeeper(SystemClock(), Machine(0))
    assert keeper.mark(5_000_123) == 5_000_000
    assert abs(keeper.utc_ns() - SystemClock().utc_ns()) < 10 * S
    assert abs(keeper.now_s() - SystemClock().now_s()) < 10


def test_a_boot_at_1970_is_corrected_once_ntp_answers() -> None:
    machine = Machine(-TRUE_START)
    keeper = keeper_of(machine)
    stamps, truth = [], []
    for _ in range(5):
        machine.up_ns += S
        stamps.append(keeper.utc_ns())
        truth.append(machine.true_ns)
    assert stamps[0] < 100 * S
    assert keeper.offsets == ()
    machine.wrong_by_ns, machine.synchronised = 0, True
    assert follow(keeper) == TRUE_START
    meant = [corrected(stamp, keeper.offsets) for stamp in stamps]
    assert [abs(a - b) < 1000 for a, b in zip(meant, truth, strict=True)] == [True] * 5


@pytest.mark.parametrize("step_ns", [HOUR, -HOUR])
def test_a_step_and_its_correction_leave_order_and_truth(step_ns: int) -> None:
    """Stamps of the hours overlap; their marks keep them apart."""
    machine = Machine(0, synchronised=True)
    keeper = keeper_of(machine)
    stamps, truth = [], []

    def live(seconds: int) -> None:
        for _ in range(seconds):
            machine.up_ns += S
            stamps.append(keeper.utc_ns())
            truth.append(machine.true_ns)

    live(7200)
    machine.wrong_by_ns, machine.synchronised = step_ns, False
    assert follow(keeper) == step_ns
    live(600)
    machine.wrong_by_ns, machine.synchronised = 0, True
    assert follow(keeper) == -step_ns
    live(7200)
    meant = [corrected(stamp, keeper.offsets) for stamp in stamps]
    assert meant == sorted(meant)
    assert max(abs(a - b) for a, b in zip(meant, truth, strict=True)) < 1000
    wrong = [each for each in keeper.offsets if each.offset_ns]
    assert [each.offset_ns for each in wrong] == [-step_ns]


def test_a_step_is_taken_up_by_a_look_and_not_before() -> None:
    machine = Machine(0)
    keeper = keeper_of(machine)
    before = keeper.utc_ns()
    machine.wrong_by_ns = -HOUR
    machine.up_ns += S
    assert keeper.utc_ns() == before + S
    follow(keeper)
    assert keeper.utc_ns() < before


def test_what_ntp_slews_is_no_step() -> None:
    machine = Machine(0)
    keeper = keeper_of(machine)
    machine.wrong_by_ns = STEP_NS
    assert keeper.look().era is None
    machine.wrong_by_ns = STEP_NS + 1
    assert keeper.look().era is not None


def test_a_restart_within_a_boot_goes_on_in_the_same_era() -> None:
    machine = Machine(-HOUR)
    first = keeper_of(machine)
    machine.up_ns += 60 * S
    again = Timekeeper(SystemClock(), machine)
    again.recall([first.era] if first.era else [], first.offsets)
    look = again.look()
    again.adopt(look.era)
    assert (look.era, look.step_ns, again.era) == (None, 0, first.era)


def test_another_boot_is_another_era_of_which_nothing_is_known() -> None:
    machine = Machine(-HOUR)
    first = keeper_of(machine)
    assert first.era is not None
    machine.boot_id, machine.up_ns, machine.wrong_by_ns = "boot-2", 5 * S, 0
    machine.synchronised = True
    again = Timekeeper(SystemClock(), machine)
    again.recall([first.era], ())
    look = again.look()
    assert look.era is not None
    assert (look.era.number, look.step_ns) == (2, 0)
    assert [(each.era, each.offset_ns) for each in look.offsets] == [(2, 0)]


def test_an_era_is_put_down_once() -> None:
    machine = Machine(0, synchronised=True)
    keeper = keeper_of(machine)
    assert len(keeper.offsets) == 1
    machine.up_ns += S
    assert keeper.look().offsets == ()


@given(
    st.lists(
        st.tuples(st.integers(-20 * 365 * 24, 20 * 365 * 24), st.integers(1, 5000)),
        max_size=50,
    )
)
def test_whatever_the_wall_clock_did_the_right_time_puts_all_in_order(
    steps: list[tuple[int, int]],
) -> None:
    machine = Machine(0)
    keeper = keeper_of(machine)
    stamps, truth = [], []
    for hours, seconds in [*steps, (0, 1)]:
        machine.wrong_by_ns = hours * HOUR
        follow(keeper)
        machine.up_ns += seconds * S
        stamps.append(keeper.utc_ns())
        truth.append(machine.true_ns)
    machine.wrong_by_ns, machine.synchronised = 0, True
    follow(keeper)
    meant = [corrected(stamp, keeper.offsets) for stamp in stamps]
    assert max(abs(a - b) for a, b in zip(meant, truth, strict=True)) < 1000
    assert all(era_of(stamp) for stamp in stamps)


def test_the_machine_has_two_clocks_and_a_boot() -> None:
    clocks = MachineClocks()
    one, two = clocks.read(), clocks.read()
    assert one.boot_id == two.boot_id != ""
    assert one.monotonic_ns <= two.monotonic_ns <= clocks.monotonic_ns()
    assert abs(one.wall_ns - SystemClock().utc_ns()) < 10 * S
    assert one.synchronised is is_synchronised()


def test_what_is_stamped_while_the_record_is_on_its_way_to_the_disk_is_corrected() -> (
    None
):
    machine = Machine(2 * S)
    keeper = keeper_of(machine)
    machine.up_ns += S
    machine.wrong_by_ns, machine.synchronised = 0, True
    look = keeper.look()
    machine.up_ns += 2 * S
    late, truth = keeper.utc_ns(), machine.true_ns
    keeper.adopt(look.era)
    keeper.noted(look.offsets)
    assert abs(corrected(late, keeper.offsets) - truth) < 1000
    machine.up_ns += S
    assert corrected(keeper.utc_ns(), keeper.offsets) > corrected(late, keeper.offsets)
