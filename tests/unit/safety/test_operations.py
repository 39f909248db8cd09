"""What is answered on safety's socket, with a scan that is turned by hand."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.config import MaintenanceSettings
from appliance.domain.sample import Quality
from appliance.link.roles import Role
from appliance.link.server import Peer, RefusedError
from appliance.safety.desk import Answer, Desk
from appliance.safety.operations import Operations
from appliance.safety.turn import Commands, Matrix
from tests.unit.safety.bench import a_bench, a_row, an_element

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.safety.bench import Bench, FakeClock

KIM = Peer(1, 1000, 1000, Role.SUPERVISOR, "kim", "trips")
LEE = Peer(2, 1001, 1001, Role.MAINTAINER, "lee", "trips")
HUB = Peer(3, 1002, 1002, Role.VIEWER, "wheeltapper-hub", "hub")
BAD_ARGUMENTS = (KeyError, TypeError, ValueError, OverflowError)
"""What the link's server answers as such."""
RULES = MaintenanceSettings(output="plc", request="ask", granted="P/granted")


class Counter:
    """Operations over a bench: asked by name, scanned when the test says so."""

    def __init__(self, bench: Bench, clock: FakeClock, **more: float) -> None:
        self.bench = bench
        self.desk = Desk()
        self.scanned = SimpleNamespace(state=bench.state)
        self.disk = Disk()
        clock.time_s = bench.now_s
        self._clock = clock
        self._runs: dict[str, Any] = {}
        operations = Operations(
            bench.matrix,
            self.scanned,  # type: ignore[arg-type]  # only its state is looked at
            desk=self.desk,
            journal=self.disk,  # type: ignore[arg-type]  # one that never waits
            clock=clock,
            realtime="",
            **more,
        )
        operations.offer(self)  # type: ignore[arg-type]  # only `operation` is called

    def operation(self, op: str, run: object, **_rules: object) -> None:
        self._runs[op] = run

    def ask(
        self, op: str, peer: Peer = KIM, /, **args: object
    ) -> asyncio.Task[Mapping[str, Any]]:
        return asyncio.create_task(self._runs[op](args, peer), name=op)

    async def refused(self, op: str, peer: Peer = KIM, /, **args: object) -> str:
        """Return why it is refused without a scan."""
        return await outcome(self.ask(op, peer, **args))

    async def done(self, op: str, **args: object) -> Commands:
        """Ask, and return what the scan took, which may not refuse it."""
        asked = self.ask(op, **args)
        taken = await self.scan()
        assert await outcome(asked) == ""
        return taken

    async def scan(self) -> Commands:
        """Take one wish, as a scan does, and answer it."""
        await asyncio.sleep(0)
        commands, ticket = self.desk.take()
        given = {name: getattr(commands, name) for name in commands.__slots__}
        turn = self.bench.scan(**given)
        self.scanned.state = turn.state
        self._clock.time_s = self.bench.now_s
        if ticket is not None:
            ticket.set_result(Answer(turn.refusals, 1))
        await asyncio.sleep(0)
        return commands


class Disk:
    """A journal that has everything at once."""

    last_seq = 1
    trouble = ""

    def __init__(self) -> None:
        self.waits: list[tuple[int, float]] = []

    def since(self, _seq: int) -> tuple[()]:
        return ()

    async def wait_committed(self, seq: int, *, within_s: float) -> bool:
        self.waits.append((seq, within_s))
        return within_s > 0


@pytest.fixture
def counter(clock: FakeClock) -> Counter:
    model = a_row(id="model", source="model", channels=(), setpoint=0.5)
    columns = (an_element(), an_element(id="valve", feedback=None))
    bench = a_bench(
        a_row(channels=("P/a", "P/b"), vote="1oo2"), model, elements=columns
    )
    bench.matrix = Matrix(
        bench.matrix.rows, bench.matrix.elements, bench.matrix.stops, RULES
    )
    return Counter(bench.ready(), clock)


async def outcome(task: asyncio.Task[Mapping[str, Any]]) -> str:
    """Return why it was refused, or nothing."""
    try:
        async with asyncio.timeout(30):
            assert (await task)["accepted"]
    except RefusedError as error:
        return str(error)
    return ""


@pytest.mark.requirement("A10")
async def test_of_two_bypasses_asked_for_in_one_scan_the_first_is_set(
    counter: Counter,
) -> None:
    asked = [
        counter.ask("bypass", initiator="high", channel=channel, reason="broken wire")
        for channel in ("P/a", "P/b")
    ]
    await counter.scan()
    await counter.scan()
    assert [await outcome(each) for each in asked] == [
        "",
        "high has its one bypass already",
    ]
    bypass = counter.scanned.state.rows["high"].bypass
    assert bypass is not None
    assert bypass.channel == "P/a"


@pytest.mark.requirement("A4")
async def test_a_hand_over_is_answered_when_the_plc_consents(counter: Counter) -> None:
    asked = counter.ask("maintenance.begin", reason="upgrade")
    await counter.scan()
    counter.bench.values["P/granted"] = 1.0
    await counter.scan()
    assert await outcome(asked) == ""


@pytest.mark.requirement("A4")
async def test_a_hand_over_that_ends_before_the_consent_is_refused(
    counter: Counter,
) -> None:
    asked = counter.ask("maintenance.begin", reason="upgrade")
    await counter.scan()
    ended = counter.ask("maintenance.end")
    await counter.scan()
    assert await outcome(ended) == ""
    await counter.scan()  # it takes back what no longer stands
    assert "does not consent" in await outcome(asked)


@pytest.mark.requirement("A4")
async def test_a_hand_over_without_consent_is_taken_back(counter: Counter) -> None:
    asked = counter.ask("maintenance.begin", reason="upgrade")
    await counter.scan()
    assert counter.scanned.state.handover is not None
    taken = [await counter.scan() for _ in range(44)]
    resumed = [place / 8 for place, each in enumerate(taken) if each.resume]
    assert resumed == [pytest.approx(5.0, abs=0.3)]
    assert "does not consent" in await outcome(asked)
    assert counter.scanned.state.handover is None


@pytest.mark.requirement("A4")
async def test_the_plc_has_five_seconds_to_consent(counter: Counter) -> None:
    asked = counter.ask("maintenance.begin", reason="upgrade")
    for _ in range(38):  # of an eighth of a second
        await counter.scan()
    assert not asked.done()
    counter.bench.values["P/granted"] = 1.0
    await counter.scan()
    assert await outcome(asked) == ""


@pytest.mark.requirement("A4")
async def test_the_consent_is_looked_for_many_times_a_second(
    counter: Counter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    nap = clock.sleep

    async def noted(seconds: float) -> None:
        naps.append(seconds)
        await nap(seconds)

    monkeypatch.setattr(clock, "sleep", noted)
    asked = counter.ask("maintenance.begin", reason="upgrade")
    await counter.scan()
    counter.bench.values["P/granted"] = 1.0
    await counter.scan()
    assert await outcome(asked) == ""
    assert set(naps) == {0.02}


@pytest.mark.requirement("A4")
async def test_without_the_configuration_nothing_is_handed_over(
    clock: FakeClock,
) -> None:
    counter = Counter(a_bench().ready(), clock)
    asked = counter.ask("maintenance.begin", reason="upgrade")
    assert "is not configured" in await _after(counter, asked)


async def _after(counter: Counter, asked: asyncio.Task[Mapping[str, Any]]) -> str:
    await counter.scan()
    return await outcome(asked)


@pytest.mark.requirement("A4")
@pytest.mark.parametrize(("given", "length_s"), [({}, 600.0), ({"length_s": 9}, 9.0)])
async def test_a_hand_over_lasts_as_long_as_asked_for_or_permitted(
    counter: Counter, given: dict[str, float], length_s: float
) -> None:
    began_s = counter.bench.now_s
    asked = counter.ask("maintenance.begin", reason=" up\n grade ", **given)
    taken = await counter.scan()
    assert taken.hand_over is not None
    assert taken.hand_over.reason == "up grade"
    assert taken.hand_over.until_s == began_s + length_s
    counter.bench.values["P/granted"] = 1.0
    await counter.scan()
    assert (await asked)["length_s"] == length_s


async def test_what_is_accepted_is_told_with_its_number_and_the_disk(
    counter: Counter,
) -> None:
    asked = counter.ask("stop", reason="x" * 300)
    taken = await counter.scan()
    assert taken == Commands(stop="x" * 200, actor="kim")
    answer = await asked
    assert answer == {
        "accepted": True,
        "committed": True,
        "seq": 1,
        "trouble": "",
        "note": "",
    }
    assert counter.disk.waits == [(1, 5.0)]
    assert (await counter.done("stop")).stop == "operator's stop"


@pytest.mark.requirement("A5")
async def test_a_reset_is_of_what_is_named_or_else_of_what_is_tripped(
    counter: Counter,
) -> None:
    assert await counter.refused("reset", elements=[]) == (
        "no such element; known: motor, valve"
    )
    assert "no such element" in await counter.refused("reset", elements=["fan"])
    assert "no such" in await counter.refused("reset", elements=["fan", "motor"])
    asked = counter.ask("reset")
    assert await _after(counter, asked) == "nothing is tripped"
    await counter.done("stop")
    await counter.scan()
    assert (await counter.done("reset", elements=["valve"])).reset == {"valve"}
    await counter.scan()
    assert (await counter.done("reset")).reset == {"motor"}, "the valve runs"
    await counter.done("stop")
    await counter.scan()
    both = await counter.done("reset", elements=["motor", "valve"])
    assert both.reset == {"motor", "valve"}


@pytest.mark.requirement("A10")
@pytest.mark.parametrize("length_s", [0.5, 8 * 3600.0, 24 * 3600.0])
async def test_a_bypass_lasts_as_long_as_was_asked_for(
    counter: Counter, length_s: float
) -> None:
    began_s = counter.bench.now_s
    taken = await counter.done(
        "bypass", initiator="high", reason="wire", length_s=length_s
    )
    (bypass,) = taken.bypasses
    assert (bypass.until_s, bypass.actor) == (began_s + length_s, "kim")


@pytest.mark.requirement("A10")
async def test_only_a_supervisor_may_bypass_for_longer_than_eight_hours(
    counter: Counter,
) -> None:
    words = {"initiator": "high", "reason": "wire"}
    for length_s, problem in (
        (0.0, "a bypass lasts at most 86400 s"),
        (24 * 3600.0 + 1, "a bypass lasts at most 86400 s"),
        (8 * 3600.0 + 1, "above 28800 s it takes a supervisor"),
    ):
        refusal = await counter.refused("bypass", LEE, **words, length_s=length_s)
        assert refusal == problem
    asked = counter.ask("bypass", LEE, **words, length_s=8 * 3600.0)
    assert await _after(counter, asked) == ""


@pytest.mark.requirement("A10")
@pytest.mark.parametrize(("longest_h", "length_h"), [(1.0, 1.0), (24.0, 8.0)])
async def test_a_bypass_lasts_eight_hours_or_as_long_as_is_permitted(
    clock: FakeClock, longest_h: float, length_h: float
) -> None:
    bench = a_bench().ready()
    counter = Counter(bench, clock, bypass_longest_s=3600 * longest_h)
    asked = counter.ask("bypass", LEE, initiator="high", reason="wire")
    await counter.scan()
    assert (await asked)["length_s"] == 3600 * length_h


async def test_nothing_is_armed_that_has_nothing_to_judge_or_to_stop(
    counter: Counter,
) -> None:
    for matrix in (Matrix((), (an_element(),), {}), Matrix((a_row(),), (), {})):
        bench = a_bench(armed=False)
        bench.matrix = matrix
        empty = Counter(bench, counter._clock)
        assert "nothing to arm" in await empty.refused("mode", mode="armed")
    assert "a mode is" in await counter.refused("mode", mode="brave")


@pytest.mark.parametrize(
    ("armed", "mode"), [(True, "armed"), (True, "observe"), (False, "observe")]
)
async def test_what_was_never_read_forbids_arming_alone(
    clock: FakeClock, armed: bool, mode: str
) -> None:
    counter = Counter(a_bench(armed=armed), clock)
    assert (await counter.done("mode", mode=mode)).arm is (mode == "armed")


@pytest.mark.requirement("A16")
async def test_a_models_row_was_never_read_and_forbids_no_arming(
    counter: Counter,
) -> None:
    bench = a_bench(
        a_row(), a_row(id="model", source="model", channels=()), armed=False
    )
    desk = Counter(bench, counter._clock)
    assert "P/a was never good" in await desk.refused("mode", mode="armed")
    bench.ready()
    desk.scanned.state = bench.state
    assert (await desk.done("mode", mode="armed")).arm is True
    bench.values["P/a"] = "bad"
    assert (await desk.done("mode", mode="armed")).arm is True, "it is already"
    assert (await desk.done("mode", mode="observe")).arm is False


@pytest.mark.requirement("A16")
@pytest.mark.parametrize(
    ("value", "quality"), [(1.0, Quality.GOOD), (float("nan"), Quality.BAD)]
)
async def test_a_models_word_waits_for_the_scan_once_per_source_time(
    counter: Counter, value: float, quality: Quality
) -> None:
    word = {"row": "model", "source_time_ns": 5, "value": value}
    assert (await counter.ask("demand", HUB, **word))["accepted"]
    reading = counter.desk.take_models()["model"]
    assert (reading.sample.quality, reading.at_s) == (quality, counter.bench.now_s)
    assert reading.sample.source_time_ns == 5
    assert not (await counter.ask("demand", HUB, **word))["accepted"]
    assert counter.desk.take_models() == {}
    word["source_time_ns"] = 6
    assert (await counter.ask("demand", HUB, **word))["accepted"]


# ------------------------------------------------------------------ whatever is said

WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.sampled_from(["high", "model", "motor", "armed", "observe", "P/a"]),
    st.lists(st.one_of(st.text(max_size=5), st.just("motor")), max_size=3),
)
ARGS = st.dictionaries(
    st.sampled_from(
        ["initiator", "row", "channel", "reason", "length_s", "elements", "mode", "arm",
         "value", "source_time_ns", "seq", "reset"]
    ),
    WORDS,
)  # fmt: skip
HARMLESS = ("events.since", "stop", "demand")
"""What a viewer, the hub and a model may ask; the others need a person's role."""


@pytest.mark.requirement("A16")
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=st.lists(st.tuples(st.sampled_from(HARMLESS), ARGS), max_size=8))
def test_whatever_a_model_or_a_viewer_says_it_can_only_stop(
    clock: FakeClock, asked: list[tuple[str, dict[str, object]]]
) -> None:
    async def play() -> None:
        model = a_row(id="model", source="model", channels=(), setpoint=0.5)
        bench = a_bench(a_row(), model).ready()
        counter = Counter(bench, clock)
        before = bench.state
        for op, args in asked:
            task = counter.ask(op, HUB, **args)
            taken = await counter.scan()
            assert taken in {Commands(), Commands(stop=taken.stop, actor=HUB.name)}
            with contextlib.suppress(RefusedError, *BAD_ARGUMENTS):
                await task
        after = bench.state
        assert after.armed is before.armed
        assert after.rows["high"].bypass is None
        assert after.rows["high"].channels[0].value == 1.0
        stopped = {"model", "operator's stop"}
        assert set(after.latches["motor"].causes) <= stopped

    asyncio.run(play())
