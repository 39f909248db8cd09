"""The hub's part of call-out: hands out, waits for a word, gives up, remembers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from appliance.alarms.acts import Acknowledge
from appliance.config import check_text
from appliance.domain.batch import batch_of
from appliance.domain.event import EventKind
from appliance.domain.sample import Quality
from appliance.hub.callout import (
    DONE_WITHIN_S,
    TAKEN_WITHIN_S,
    Callout,
)
from appliance.hub.calls import offer_callout
from appliance.hub.relay import Relay
from appliance.link.roles import Role
from appliance.link.server import Peer, RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from appliance.domain.event import Event
    from tests.unit.hub.conftest import ManualClock, Road

HIGH = "P-101/flow:high"
SYNC = Peer(1, 1, 1, Role.MAINTAINER, "wheeltapper-sync", "sync")
CONFIG = """
config_version = 1
[site]
id = "plant-7"
gateway = "gw-1"
[[sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
[[sources.tags]]
id = "P-101/flow"
table = "input"
address = 1
engineering_units = "m3/h"
[[sources.points]]
name = "lamp"
table = "coil"
address = 9
[callout]
gather_s = 0
[[callout.mail]]
name = "shift"
host = "mail"
security = "none"
sender = "a@b.example"
recipients = ["a@b.example"]
[[callout.mail]]
name = "boss"
host = "mail"
security = "none"
sender = "a@b.example"
recipients = ["a@b.example"]
[[callout.relay]]
name = "lamp"
source = "plc"
point = "lamp"
[[callout.steps]]
targets = ["shift"]
[[callout.steps]]
targets = ["boss"]
after_s = 600
"""


class Operations:
    """What a link server would be told to offer."""

    def __init__(self) -> None:
        self.offered: dict[str, tuple[Any, Role, tuple[str, ...]]] = {}

    def operation(
        self,
        op: str,
        run: Callable[[Mapping[str, Any], Peer], Awaitable[Any]],
        *,
        role: Role = Role.VIEWER,
        processes: tuple[str, ...] = (),
    ) -> None:
        self.offered[op] = run, role, processes

    async def ask(self, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
        return await self.offered[op][0](args, SYNC)


class Desk:
    """A road with call-out on it, and sync's end of the link."""

    def __init__(self, road: Road) -> None:
        config, problems = check_text(CONFIG)
        assert config is not None, problems
        assert config.callout is not None
        self.road = road
        self.callout = Callout(
            config.callout,
            config,
            alarms=road.alarms,
            recorder=road.recorder,
            latest=road.latest,
            numbers=road.table.numbers,
            clock=road.clock,
        )
        self.link = Operations()
        self.callout.offer(self.link)  # type: ignore[arg-type] # all that it is asked for

    def flow(self, value: float) -> None:
        now_ns = self.road.clock.utc_ns()
        self.road.pipeline.ingest(
            batch_of(
                [self.road.number("P-101/flow")],
                [value],
                source_time_ns=now_ns,
                receive_time_ns=now_ns,
                quality=Quality.GOOD,
                status=0,
                group="plc.poll",
            )
        )

    async def letters(self) -> list[dict[str, Any]]:
        self.callout.look()
        found: list[dict[str, Any]] = await self.link.ask("calls.take")
        return found

    async def answer(self, letter: Mapping[str, Any], *, sent: bool = True) -> None:
        said = "250 well" if sent else "451 later"
        await self.link.ask("calls.done", id=letter["id"], sent=sent, said=said)

    async def calls(self) -> list[Event]:
        await self.road.recorder.flush()
        return [e for e in self.road.store.events if e.kind is EventKind.CALL]


@pytest.fixture
def desk(road: Road) -> Desk:
    return Desk(road)


async def test_an_alarm_becomes_a_letter_and_its_answer_an_event(desk: Desk) -> None:
    desk.flow(110.0)
    (letter,) = await desk.letters()
    assert letter["target"] == "shift"
    assert letter["alarms"][0]["id"] == HIGH
    assert letter["alarms"][0]["value"] == "110 m3/h"
    assert letter["alarms"][0]["quality"] == "good"
    # Asked again before it was answered: the same letter, once.
    assert await desk.letters() == [letter]
    await desk.answer(letter)
    await desk.answer(letter)
    assert await desk.letters() == []
    (event,) = await desk.calls()
    assert (event.name, event.priority) == ("sent", "high")
    assert event.message == f"shift was called about {HIGH}: 250 well"
    assert not desk.callout.word().faults


async def test_what_fails_is_an_alarm_and_the_next_is_called(desk: Desk) -> None:
    desk.flow(110.0)
    (letter,) = await desk.letters()
    await desk.answer(letter, sent=False)
    (fault,) = desk.callout.word().faults
    assert fault.diagnostic.key == "shift"
    assert "451 later" in fault.diagnostic.message
    (letter,) = await desk.letters()
    assert letter["target"] == "boss"
    await desk.answer(letter)
    desk.road.clock.at_s += 60
    (again,) = await desk.letters()
    assert again["target"] == "shift"
    await desk.answer(again)
    assert not desk.callout.word().faults


async def test_an_acknowledged_alarm_calls_nobody_more(desk: Desk) -> None:
    desk.flow(110.0)
    (letter,) = await desk.letters()
    await desk.answer(letter)
    clock = desk.road.clock
    for event in desk.road.alarms.act(
        HIGH, Acknowledge(), actor="eva", now_s=clock.now_s(), utc_ns=clock.utc_ns()
    ):
        desk.road.recorder.tell(event)
    clock.at_s += 3600
    assert await desk.letters() == []


async def test_without_sync_a_call_is_given_up_and_says_so(desk: Desk) -> None:
    desk.flow(110.0)
    desk.callout.look()
    desk.road.clock.at_s += TAKEN_WITHIN_S + 1
    desk.callout.look()
    (event,) = await desk.calls()
    assert event.name == "failed"
    assert "wheeltapper sync does not run" in event.message


async def test_a_delivery_that_never_ends_is_given_up(desk: Desk) -> None:
    desk.flow(110.0)
    await desk.letters()
    desk.road.clock.at_s += DONE_WITHIN_S + 1
    found = await desk.letters()
    assert [letter["target"] for letter in found] == ["boss"]
    (event,) = await desk.calls()
    assert "not delivered within 90 s" in event.message


async def test_a_trial_goes_the_same_road(desk: Desk) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        trial = group.create_task(
            desk.link.ask("calls.test", target="shift"), name="trial"
        )
        while not (letters := await desk.letters()):
            await asyncio.sleep(0)
        assert letters[0]["test"]
        await desk.answer(letters[0], sent=False)
        assert await trial == {"sent": False, "said": "451 later"}
    assert await desk.calls() == []
    assert [f.diagnostic.key for f in desk.callout.word().faults] == ["shift"]
    with pytest.raises(RefusedError, match="known: boss, lamp, shift"):
        await desk.link.ask("calls.test", target="nobody")


async def test_only_sync_takes_letters_and_only_operators_try(desk: Desk) -> None:
    offered = desk.link.offered
    assert offered["calls.take"][1:] == (Role.MAINTAINER, ("sync",))
    assert offered["calls.done"][1:] == (Role.MAINTAINER, ("sync",))
    assert offered["calls.test"][1:] == (Role.OPERATOR, ())


async def test_without_a_callout_a_trial_is_refused_in_words(tmp_path: Path) -> None:
    link = Operations()
    server: Any = link
    offer_callout(None, server, tmp_path, {})
    with pytest.raises(RefusedError, match="no \\[callout\\]"):
        await link.ask("calls.test", target="shift")


async def test_a_relay_whose_connector_cannot_write_says_so(road: Road) -> None:
    config, problems = check_text(CONFIG)
    assert config is not None, problems
    assert config.callout is not None
    said: list[tuple[str, str, bool]] = []
    told = asyncio.Event()

    def answered(message_id: str, word: str, sent: bool) -> None:
        said.append((message_id, word, sent))
        told.set()

    source = config.sources[0].model_copy(update={"connector": "replay"})
    relay = Relay(
        config.callout.relay[0],
        source,
        clock=_Turning(road.clock),
        holds=lambda: False,
        answered=answered,
    )
    relay.call("m-1")
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(relay.run(), name="relay")
        await told.wait()
        task.cancel()
    assert said == [("m-1", "connector 'replay' cannot write", False)]
    assert relay.problem == "connector 'replay' cannot write"


async def test_a_relay_that_cannot_be_written_is_an_alarm_before_it_is_needed(
    desk: Desk,
) -> None:
    assert not desk.callout.word().faults
    desk.callout._relays["lamp"].problem = "lamp: lost"
    (fault,) = desk.callout.word().faults
    assert fault.diagnostic.key == "lamp"
    assert fault.delay.on_s == 30


class _Turning:
    """The hand-set clock, whose naps let others run."""

    def __init__(self, clock: ManualClock) -> None:
        self.utc_ns = clock.utc_ns
        self.now_s = clock.now_s

    async def sleep(self, seconds: float) -> None:
        del seconds
        await asyncio.sleep(0)
