"""A hub whose source declares gaps, says what is wrong with it, and resumes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import check_text
from appliance.domain.batch import batch_of
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.event import Gap
from appliance.domain.tag import TagId
from appliance.hub import sources
from appliance.hub.process import run
from appliance.link.client import connect
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.link.client import LinkClient

FLOW = TagId("P-101/flow")
S = 1_000_000_000
LIVE_NS = 1_700_000_000 * S
ALARM = "source plant:clock"
CLOCK = Diagnostic("clock", "its clock is at 2000", "set it", "high", (FLOW,))
TOML = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "unused"
period_s = 0.2
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[alarms]]
tag = "P-101/flow"
rule = "high"
setpoint = 100.0
[storage]
commit_period_s = 0.1
"""


class HastyClock(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / 20)


class Speaking:
    """Yields a live row, a hole's rows, one of them too high, and a gap; then waits."""

    name = "plant"
    groups: Mapping[str, Sequence[TagId]] = {"plant.all": (FLOW,)}

    def __init__(self) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = (CLOCK,)
        self.unfilled_ns: dict[TagId, int] = {}
        self.resumed: dict[TagId, int] | None = None

    def resume_from(self, newest_ns: Mapping[TagId, int]) -> None:
        self.resumed = dict(newest_ns)

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch | Gap]]:
        yield self._parts(numbers[FLOW])

    async def _parts(self, number: int) -> AsyncIterator[Batch | Gap]:
        yield batch_of(
            [number],
            [50.0],
            source_time_ns=LIVE_NS + 9 * S,
            receive_time_ns=LIVE_NS,
            group="plant.all",
            server_time_ns=LIVE_NS + 9 * S + 5,
        )
        yield batch_of(
            [number] * 2,
            [1.0, 500.0],
            source_time_ns=[LIVE_NS, LIVE_NS + S],
            receive_time_ns=LIVE_NS,
            historical=True,
            confirms=False,
        )
        yield Gap("acquisition", "history ends there", LIVE_NS + S, LIVE_NS + 9 * S, 7)
        await asyncio.Event().wait()


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Speaking:
    """Return the source that the hub gets, whatever it is configured to read."""
    found = Speaking()

    class Card:
        def source(self, _settings: object, _clock: object) -> Speaking:
            return found

    monkeypatch.setattr(sources, "load_connector", lambda _name: Card())
    return found


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[LinkClient]:
    config, problems = check_text(TOML)
    assert config is not None, problems
    work = run(config, state_dir=folder, run_dir=folder, clock=HastyClock())
    async with alongside(work, name="test.hub"), asyncio.timeout(60):
        while not (folder / "hub.sock").exists():
            await asyncio.sleep(0.01)
        async with connect(folder / "hub.sock", process="test") as link:
            yield link


async def until(link: LinkClient, op: str, well: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - msgpack
    while True:
        answer = await link.request(op)
        if well(answer):
            return answer
        await asyncio.sleep(0.02)


def states(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {row["id"]: row["state"] for row in rows}


def counted(name: str, value: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda status: status["counters"][name] >= value


@pytest.mark.usefixtures("source")
async def test_a_gap_is_recorded_and_told_once_over_two_runs(
    tmp_path: Path,
) -> None:
    for stored in (3, 4):  # the second run's history is there already
        async with hub(tmp_path) as link:
            status = await until(link, "status", counted("gaps_declared", 1))
            await until(link, "status", counted("samples_stored", stored))
            assert status["counters"]["samples_historical"] == 2
    with open_reader(tmp_path / "buffer.db") as reader:
        gaps, events = reader.gaps(), reader.events()
        times = reader.columns(FLOW).source_time_ns
    assert [gap.reason for gap in gaps] == ["plant: history ends there"] * 2
    told = [event for event in events if event.kind == "gap"]
    assert [event.details["count"] for event in told] == [7, 7]
    assert [(ns - LIVE_NS) / S for ns in times.tolist()] == [0, 1, 9, 9]


@pytest.mark.usefixtures("source")
async def test_the_conservation_law_holds_when_history_is_sent_again(
    tmp_path: Path,
) -> None:
    for _ in range(3):
        async with hub(tmp_path) as link:
            await until(link, "status", counted("samples_historical", 2))
    with open_reader(tmp_path / "buffer.db") as reader:
        counters = reader.counters()
    assert counters["samples_read"] == 9
    assert counters["samples_stored"] == 5
    assert counters["samples_rejected"] == counters["samples_duplicate"] == 4


@pytest.mark.usefixtures("source")
async def test_history_raises_no_alarm_and_is_not_what_is_known_now(
    tmp_path: Path,
) -> None:
    async with hub(tmp_path) as link:
        await until(link, "status", counted("samples_historical", 2))
        rows = await until(link, "alarms.list", lambda found: ALARM in states(found))
    assert states(rows)[f"{FLOW}:high"] == "normal"
    with open_reader(tmp_path / "buffer.db") as reader:
        server = reader.columns(FLOW).server_time_ns
    assert server is not None
    assert server.tolist() == [0, 0, LIVE_NS + 9 * S + 5]


async def test_a_fault_of_a_source_outlives_the_hub_and_ends_with_its_cause(
    source: Speaking, tmp_path: Path
) -> None:
    async with hub(tmp_path) as link:
        await until(link, "alarms.list", lambda found: ALARM in states(found))
        status = await link.request("status")
        said = status["source_details"]["plant"]
        assert (said["state"], said["diagnostics"][0]["remedy"]) == (
            "connected",
            "set it",
        )
        await link.request("alarms.acknowledge", alarm=ALARM)
    async with hub(tmp_path) as link:
        rows = await link.request("alarms.list")
        assert states(rows)[ALARM] == "active_ack"
        source.diagnostics = ()
        await until(link, "alarms.list", lambda found: ALARM not in states(found))
    with open_reader(tmp_path / "buffer.db") as reader:
        names = [e.name for e in reader.events() if e.details.get("id") == ALARM]
    assert names == ["active", "acknowledged", "returned"]


async def test_a_source_is_told_where_it_left_off_and_what_it_had_not_filled(
    source: Speaking, tmp_path: Path
) -> None:
    async with hub(tmp_path) as link:
        assert source.resumed == {}
        await until(link, "status", counted("samples_stored", 3))
    async with hub(tmp_path):
        assert source.resumed == {FLOW: LIVE_NS + 9 * S}
        source.unfilled_ns = {FLOW: LIVE_NS + S}
        await _noted(tmp_path)
    async with hub(tmp_path):
        assert source.resumed == {FLOW: LIVE_NS + S}


async def _noted(folder: Path) -> None:
    """Wait until the hub has remembered a hole."""
    while True:
        with open_reader(folder / "buffer.db") as reader:
            if reader.unfilled():
                return
        await asyncio.sleep(0.02)
