"""An hour at 1 % packet loss, 300 ms each, in simulated time through the real step."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from appliance.safety.channel import Reading
from appliance.safety.latch import Report
from appliance.safety.logic import Commands, Matrix, Readings, State, power_up, step
from tests.unit.safety.bench import Given, a_row, a_sample, an_element

PERIOD_S, HOUR_S = 0.1, 3600.0
LOSS, STALL_S, LATENCY_S = 0.01, 0.3, 0.002
CHANNELS = ("P/a", "P/b")
pytestmark = [
    pytest.mark.requirement("A8"),
    pytest.mark.requirement("A14"),
    pytest.mark.usefixtures("untraced"),
]


@dataclass
class Wire:
    """A reader behind a network that loses packets: the next read waits for the last.

    A request and an answer per read; each lost packet is sent again after a stall,
    and may be lost again. What outlasts the deadline is late, as a reader says it.
    """

    random: Random
    deadline_s: float
    asked_s: float = 0.0
    due_s: float | None = None
    late: bool = False
    stalls: int = 0
    values: dict[str, Given] = field(default_factory=dict)

    def ask(self, now_s: float, values: dict[str, Given]) -> None:
        if self.due_s is not None:
            return
        took_s = LATENCY_S
        for _packet in range(2):
            while self.random.random() < LOSS:
                took_s += STALL_S
                self.stalls += 1
        self.late = took_s > self.deadline_s
        self.asked_s, self.values = now_s, dict(values)
        self.due_s = now_s + min(took_s, self.deadline_s)

    def take(self, now_s: float) -> dict[str, Reading]:
        if self.due_s is None or now_s < self.due_s:
            return {}
        self.due_s = None
        return {
            tag: Reading(a_sample(tag, "late" if self.late else value), self.asked_s)
            for tag, value in self.values.items()
        }


@dataclass
class Hour:
    """A machine that is judged, reset after each demand, and otherwise left alone."""

    matrix: Matrix
    state: State
    wire: Wire
    now_s: float = 1000.0
    point: bool = False
    values: dict[str, Given] = field(default_factory=dict)

    def scan(self, *, reset: bool = False) -> None:
        self.now_s += PERIOD_S
        running = {"P/running": float(self.point)}
        self.wire.ask(self.now_s, {**self.values, **running})
        tags = self.wire.take(self.now_s + 0.7 * PERIOD_S)
        wanted = Commands(reset=frozenset({"motor"} if reset else ()))
        readings = Readings(tags, {}, {"motor": Report(point=self.point)})
        turn = step(self.matrix, self.state, readings, wanted, self.now_s)
        self.state = turn.state
        self.point = turn.orders["motor"].may_run

    @property
    def tripped(self) -> bool:
        return self.state.latches["motor"].tripped

    def make_ready(self) -> None:
        self.values = dict.fromkeys(CHANNELS, 1.0)
        for scan in range(200):
            if not self.tripped:
                return
            self.scan(reset=scan % 2 == 0)
        pytest.fail("it cannot be reset")


@pytest.mark.timeout(300)
def test_no_nuisance_trip_in_an_hour_and_every_demand_is_within_its_budget() -> None:
    rows = tuple(a_row(id=f"row {tag}", channels=(tag,)) for tag in CHANNELS)
    element = an_element()
    matrix = Matrix(rows, (element,), {row.id: ("motor",) for row in rows})
    random = Random(1)
    wire = Wire(Random(101), deadline_s=rows[0].max_age_s)
    hour = Hour(matrix, power_up(matrix, {}, armed=True), wire)
    budget_s = rows[0].response_s(
        scan_period_s=PERIOD_S, write_within_s=element.write_within_s
    )
    demands, scans = 0, 0
    hour.make_ready()
    while scans < HOUR_S / PERIOD_S:
        for _ in range(random.randint(100, 600)):
            hour.scan()
            scans += 1
            assert not hour.tripped, (hour.now_s, hour.state.latches)
        demanding = random.choice(CHANNELS)
        hour.values[demanding] = 9.0
        began_s = hour.now_s
        while not hour.tripped:
            hour.scan()
            assert hour.now_s - began_s <= budget_s
        assert hour.state.latches["motor"].first_out == f"row {demanding}"
        demands += 1
        hour.make_ready()
    assert demands >= 50
    assert wire.stalls >= 500, "the network was kind: nothing was shown"
