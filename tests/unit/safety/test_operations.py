"""What is answered on safety's socket, with a scan that is turned by hand."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import MaintenanceSettings
from appliance.link.roles import Role
from appliance.link.server import Peer, RefusedError
from appliance.safety.desk import Answer, Desk
from appliance.safety.operations import CONSENT_WITHIN_S, Operations
from appliance.safety.turn import Commands, Matrix
from tests.unit.safety.bench import a_bench, a_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.safety.bench import Bench, FakeClock

KIM = Peer(1, 1000, 1000, Role.SUPERVISOR, "kim", "trips")
RULES = MaintenanceSettings(output="plc", request="ask", granted="P/granted")


class Counter:
    """Operations over a bench: asked by name, scanned when the test says so."""

    def __init__(self, bench: Bench, clock: FakeClock) -> None:
        self.bench = bench
        self.desk = Desk()
        self.scanned = SimpleNamespace(state=bench.state)
        clock.time_s = bench.now_s
        self._clock = clock
        self._runs: dict[str, Any] = {}
        operations = Operations(
            bench.matrix,
            self.scanned,  # type: ignore[arg-type]  # only its state is looked at
            desk=self.desk,
            journal=Disk(),  # type: ignore[arg-type]  # one that never waits
            clock=clock,
            realtime="",
        )
        operations.offer(self)  # type: ignore[arg-type]  # only `operation` is called

    def operation(self, op: str, run: object, **_rules: object) -> None:
        self._runs[op] = run

    def ask(self, op: str, **args: object) -> asyncio.Task[Mapping[str, Any]]:
        return asyncio.create_task(self._runs[op](args, KIM), name=op)

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

    async def wait_committed(self, _seq: int, *, within_s: float) -> bool:
        return within_s > 0


@pytest.fixture
def counter(clock: FakeClock) -> Counter:
    bench = a_bench(a_row(channels=("P/a", "P/b"), vote="1oo2"))
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
    counter.bench.now_s += CONSENT_WITHIN_S
    taken = [await counter.scan() for _ in range(3)]
    assert any(each.resume for each in taken)
    assert "does not consent" in await outcome(asked)
    assert counter.scanned.state.handover is None
