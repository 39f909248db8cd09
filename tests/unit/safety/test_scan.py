"""One scan, turned by hand: what it waits for, what it orders, whom it answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.event import Event, EventKind
from appliance.safety import scan as scan_module
from appliance.safety.asking import RequestWriter
from appliance.safety.desk import Answer, Desk
from appliance.safety.intake import Intake
from appliance.safety.latch import Report
from appliance.safety.output import ElementWriter
from appliance.safety.scan import Punctuality, Scan
from appliance.safety.turn import Commands, Order, Turn
from tests.unit.safety.bench import FakeClock, FakePlant, a_bench, an_element

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from appliance.safety.logic import State

EVENT = Event(EventKind.TRIP, "first_out", 0, "motor is stopped by high")
RUN, STOP = Order(may_run=True, beat=True), Order(may_run=False, beat=True)
HOLD = Order(may_run=True, beat=False, hold=True)


class OverError(Exception):
    """The test has seen enough."""


class Writer:
    """Notes what it is told."""

    def __init__(self, *, point: bool | None = None, has_beaten: bool = True) -> None:
        self.report = Report(point=point)
        self.has_beaten = has_beaten
        self.heartbeat = 0
        self.told: list[str] = []

    def order(self, order: Order) -> None:
        self.told.append("run" if order.may_run else "stop")

    def stand_down(self) -> None:
        self.told.append("stand down")


@dataclass
class Teller:
    """An announcer and a journal: what is told takes as long as the test says."""

    on_tell: Callable[[], None] = lambda: None
    told: list[str] = field(default_factory=list)
    last_seq: int = 7

    def tell(self, events: Iterable[Event], _state: State) -> None:
        self.told += [each.name for each in events]
        self.on_tell()

    def show(self, _scan: Scan) -> None:
        self.told.append("shown")


class Naps(FakeClock):
    """Remembers how long it was slept for."""

    def __init__(self) -> None:
        super().__init__()
        self.naps_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.naps_s.append(seconds)
        await super().sleep(seconds)


def a_scan(writers: dict[str, Any] | None = None, **more: Any) -> Scan:  # noqa: ANN401
    pump = a_bench().ready()
    given: dict[str, Any] = {
        "period_s": 1.0,
        "intakes": (),
        "writers": {"motor": Writer()} if writers is None else writers,
        "desk": Desk(),
        "clock": FakeClock(),
        **more,
    }
    return Scan(pump.matrix, pump.state, **given)


def decides(
    monkeypatch: pytest.MonkeyPatch,
    scan: Scan,
    orders: dict[str, Order],
    *,
    request: bool | None = None,
    refusals: tuple[str, ...] = (),
) -> None:
    """Let the logic decide this, whatever was read."""
    turn = Turn(scan.state, orders, (EVENT,), refusals, request)
    monkeypatch.setattr(scan_module, "step", lambda *_: turn)


async def turned(scan: Scan, teller: Teller, *, times: int = 1) -> None:
    """Scan so many times."""

    def count() -> None:
        nonlocal times
        times -= 1
        if times == 0:
            raise OverError

    with pytest.raises(OverError):
        await scan.run(teller, teller, count)  # type: ignore[arg-type]  # what it uses


# ------------------------------------------------------------------------ in time


@pytest.mark.requirement("A14")
async def test_scans_keep_to_the_grid_of_the_first_and_missed_places_are_counted() -> (
    None
):
    clock = Naps()
    takes_s = iter((0.25, 1.5, 2.25, 0.5, 0.125))

    def pass_() -> None:
        clock.time_s += next(takes_s)

    scan = a_scan(clock=clock)
    assert scan.punctuality == Punctuality(0, 0, 0.0, 0.0)
    teller = Teller(on_tell=pass_)
    await turned(scan, teller, times=5)
    assert clock.naps_s == [0.75, 0.5, 0.75, 0.5]
    assert scan.punctuality == Punctuality(5, 3, 0.125, 2.25)
    assert teller.told.count("shown") == 5


class Silent:
    """A source that answers when it likes."""

    name = "plc"

    def __init__(self) -> None:
        self.answer = asyncio.Event()

    def ask(self) -> None:
        """Do nothing yet."""

    async def wait(self) -> None:
        await self.answer.wait()

    def take(self) -> dict[str, Any]:
        return {}


@pytest.mark.requirement("A13")
async def test_a_scan_waits_for_its_reads_for_a_share_of_its_period_and_judges_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited_s: list[float] = []
    patience = asyncio.timeout

    def noted(delay: float) -> asyncio.Timeout:
        waited_s.append(delay)
        return patience(delay)

    monkeypatch.setattr(asyncio, "timeout", noted)
    teller = Teller()
    await turned(a_scan(intakes=(Silent(),), period_s=0.01), teller)
    assert waited_s == [pytest.approx(0.007)]
    assert teller.told[-1] == "shown"


class Slow(Silent):
    """A source that takes a few turns of the loop to answer."""

    async def wait(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.answer.set()

    def take(self) -> dict[str, Any]:
        return {"P/a": 9.0} if self.answer.is_set() else {}


async def test_what_arrives_in_time_is_judged_in_the_same_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = a_scan(intakes=(Slow(),))
    turn = Turn(scan.state, {"motor": STOP}, ())
    judged: list[Any] = []

    def noted(_matrix: Any, _state: Any, readings: Any, *_rest: Any) -> Turn:  # noqa: ANN401
        judged.append(readings)
        return turn

    monkeypatch.setattr(scan_module, "step", noted)
    await turned(scan, Teller())
    assert judged[0].tags == {"P/a": 9.0}
    assert judged[0].reports == {"motor": Report(point=None)}


async def test_what_is_ordered_is_on_its_way_before_anybody_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant, clock = FakePlant(), FakeClock()
    writer = ElementWriter(an_element(), plant, clock=clock)
    scan = a_scan({"motor": writer}, clock=clock)
    decides(monkeypatch, scan, {"motor": STOP})
    seen: list[list[tuple[str, float]]] = []
    naps: list[float] = []
    nap = asyncio.sleep

    async def noted(delay: float) -> None:
        naps.append(delay)
        await nap(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    async with asyncio.TaskGroup() as tasks:
        scan.start_companions(tasks)
        running = asyncio.all_tasks() - {asyncio.current_task()}
        await nap(0)  # it waits for its first order
        await turned(scan, Teller(on_tell=lambda: seen.append(plant.writes[:])))
        for task in running:
            task.cancel()
    assert seen[0][0] == ("permit", 0.0)
    assert set(naps) == {0}


async def test_its_companions_are_named() -> None:
    plant, clock = FakePlant(), FakeClock()
    rules = SimpleNamespace(request="ask")
    scan = a_scan(
        {"motor": ElementWriter(an_element(), plant, clock=clock)},
        intakes=(Intake(plant, deadline_s=1.0, clock=clock),),
        asking=RequestWriter(rules, plant),  # type: ignore[arg-type]  # only its point
    )
    async with asyncio.TaskGroup() as tasks:
        scan.start_companions(tasks)
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
    names = {task.get_name() for task in running}
    assert names == {"safety.read.plc", "safety.write.motor", "safety.write.request"}


# ------------------------------------------------------------------------ orders


@pytest.mark.requirement("A11")
async def test_a_stop_is_ordered_before_another_element_is_to_beat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    points = {"stopped": False, "stopping": True, "running": True, "starting": False}
    writers = {name: Writer(point=point) for name, point in points.items()}
    for name, writer in writers.items():
        monkeypatch.setattr(writer, "order", lambda _, name=name: asked.append(name))
    scan = a_scan(writers)
    orders = {"stopped": STOP, "running": RUN, "starting": RUN, "stopping": STOP}
    decides(monkeypatch, scan, orders)
    await turned(scan, Teller())
    assert asked == ["stopping", "starting", "stopped", "running"]
    assert scan.orders == orders


@pytest.mark.parametrize(
    ("armed", "order", "told"),
    [
        (True, STOP, "stop"),
        (True, RUN, "run"),
        (True, HOLD, "stand down"),
        (False, STOP, "stand down"),
        (False, HOLD, "stand down"),
    ],
)
@pytest.mark.requirement("A12")
async def test_nothing_is_written_unless_armed_nor_while_the_plc_has_it(
    monkeypatch: pytest.MonkeyPatch, armed: bool, order: Order, told: str
) -> None:
    writer = Writer()
    scan = a_scan({"motor": writer})
    scan.state = a_bench(armed=armed).state
    decides(monkeypatch, scan, {"motor": order})
    await turned(scan, Teller())
    assert writer.told == [told]


@pytest.mark.parametrize(
    ("wanted", "armed", "elements", "asked"),
    [
        (True, True, ((RUN, False), (RUN, False)), [True]),
        (None, True, ((RUN, False), (RUN, False)), [None]),
        (False, True, ((RUN, True), (RUN, True)), [False]),
        (False, True, ((RUN, True), (RUN, False)), []),
        (False, True, ((STOP, False), (RUN, True)), [False]),
        (False, True, ((STOP, False), (STOP, True)), [False]),
        (False, False, ((RUN, False), (RUN, False)), [False]),
    ],
    ids=["ask", "leave", "both-beat", "one-silent", "stop-1", "stop-2", "observe"],
)
@pytest.mark.requirement("A4")
async def test_the_machine_is_taken_back_when_every_heart_has_been_seen_to_beat(
    monkeypatch: pytest.MonkeyPatch,
    wanted: bool | None,
    armed: bool,
    elements: tuple[tuple[Order, bool], ...],
    asked: list[bool | None],
) -> None:
    given = dict(zip(("motor", "valve"), elements, strict=True))
    writers = {n: Writer(has_beaten=beaten) for n, (_, beaten) in given.items()}
    told: list[bool | None] = []
    scan = a_scan(writers, asking=SimpleNamespace(order=told.append))
    scan.state = a_bench(armed=armed).state
    orders = {name: order for name, (order, _) in given.items()}
    decides(monkeypatch, scan, orders, request=wanted)
    await turned(scan, Teller())
    assert told == asked


def test_the_heartbeat_is_the_highest_of_any_element() -> None:
    assert a_scan({}).heartbeat == 0
    writers = {"a": Writer(), "b": Writer()}
    writers["a"].heartbeat, writers["b"].heartbeat = 3, 5
    assert a_scan(writers).heartbeat == 5


# ------------------------------------------------------------------------ answers


@pytest.fixture
async def asker() -> AsyncIterator[tuple[Desk, asyncio.Task[Answer]]]:
    desk = Desk()
    task = asyncio.create_task(desk.ask(Commands(stop="tea")), name="asker")
    await asyncio.sleep(0)
    yield desk, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_asked_is_answered_with_the_refusals_and_the_newest_number(
    monkeypatch: pytest.MonkeyPatch, asker: tuple[Desk, asyncio.Task[Answer]]
) -> None:
    desk, task = asker
    scan = a_scan(desk=desk)
    decides(monkeypatch, scan, {"motor": STOP}, refusals=("no",))
    await turned(scan, Teller(), times=2)
    assert await task == Answer(("no",), 7)


async def test_who_has_gone_meanwhile_is_not_answered(
    asker: tuple[Desk, asyncio.Task[Answer]],
) -> None:
    desk, task = asker
    teller = Teller()
    taken = desk.take()
    assert taken[1] is not None
    taken[1].cancel()
    gone = SimpleNamespace(take=lambda: taken, take_models=dict)
    await turned(a_scan(desk=gone), teller)
    assert teller.told[-1] == "shown"
    with pytest.raises(asyncio.CancelledError):
        await task
