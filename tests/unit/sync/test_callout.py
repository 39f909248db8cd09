"""Sync's end of call-out: takes letters from a hub, and nobody gets one twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from appliance.alarms.call_words import trial_letter
from appliance.config import CalloutSettings, SiteSettings, check_text
from appliance.link.roles import Role
from appliance.link.server import LinkServer
from appliance.runtime.tasks import alongside
from appliance.sync import callout
from appliance.sync.callout import Deliveries
from appliance.sync.carrying import DeliveryError
from appliance.sync.process import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    import pytest

    from appliance.link.server import Peer

WITHIN_S = 30.0
SETTINGS = CalloutSettings.model_validate(
    {
        "mail": [
            {
                "name": "shift",
                "host": "mail",
                "sender": "a@b.example",
                "recipients": ["a@b.example"],
            }
        ],
        "webhook": [{"name": "pager", "url": "https://pager.example/"}],
    }
)
SITE = SiteSettings(id="plant-7", gateway="gw-1")


class HastyClock:
    def utc_ns(self) -> int:
        return 1_700_000_000 * 1_000_000_000

    def now_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.005))


class Hub:
    """The operations of a hub, and what sync made of them."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "hub.sock"
        self.letters: list[dict[str, Any]] = []
        self.answers: list[tuple[str, bool, str]] = []
        self.changed = asyncio.Event()

    async def take(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        return self.letters

    async def done(self, args: Mapping[str, Any], _peer: Peer) -> None:
        self.answers.append((args["id"], args["sent"], args["said"]))
        self.letters = [each for each in self.letters if each["id"] != args["id"]]
        self.changed.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = LinkServer(
            self.socket, process="hub", role_of=lambda _u, _g: Role.SUPERVISOR
        )
        server.operation("calls.take", self.take, role=Role.MAINTAINER)
        server.operation("calls.done", self.done, role=Role.MAINTAINER)
        async with alongside(server.serve(), name="hub"):
            await server.wait_ready()
            yield

    async def answered(self, count: int) -> list[tuple[str, bool, str]]:
        async with asyncio.timeout(WITHIN_S):
            while len(self.answers) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.answers


class Road:
    """A conversation whose end a test decides."""

    def __init__(self, deliver: Callable[[Mapping[str, Any]], str]) -> None:
        self.deliver = deliver
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def letter(message_id: str, target: str = "shift", *calls: str) -> dict[str, Any]:
    return {**trial_letter(message_id, target, "s/g"), "calls": list(calls)}


def deliveries(
    monkeypatch: pytest.MonkeyPatch,
    hub: Hub,
    deliver: Callable[[Mapping[str, Any]], str],
) -> Deliveries:
    monkeypatch.setattr(callout, "Mail", lambda *_args, **_more: Road(deliver))
    monkeypatch.setattr(callout, "Webhook", lambda *_args, **_more: Road(deliver))
    return Deliveries(SETTINGS, SITE, hub.socket, clock=HastyClock())


async def test_each_letter_is_delivered_once_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, took = Hub(tmp_path), []

    def deliver(told: Mapping[str, Any]) -> str:
        took.append((told["target"], told["id"]))
        return "250 well"

    hub.letters = [letter("1", "shift", "a"), letter("2", "pager", "a")]
    work = deliveries(monkeypatch, hub, deliver)
    async with hub.serving(), alongside(work.run(), name="calls"):
        answers = await hub.answered(2)
        assert sorted(answers) == [("1", True, "250 well"), ("2", True, "250 well")]
        # The hub was started anew and does not know: the same call, another letter.
        hub.letters = [letter("3", "shift", "a")]
        assert (await hub.answered(3))[-1] == ("3", True, "delivered before")
        hub.letters = [letter("4", "shift", "a", "b")]
        assert (await hub.answered(4))[-1] == ("4", True, "250 well")
    assert sorted(took) == [("pager", "2"), ("shift", "1"), ("shift", "4")]


async def test_what_fails_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(tmp_path)

    def deliver(told: Mapping[str, Any]) -> str:
        if told["id"] == "1":
            raise DeliveryError("451 later")
        raise ZeroDivisionError

    hub.letters = [letter("1"), letter("2", "pager"), letter("3", "nobody")]
    work = deliveries(monkeypatch, hub, deliver)
    async with hub.serving(), alongside(work.run(), name="calls"):
        answers = {n: (sent, said) for n, sent, said in await hub.answered(3)}
    assert answers["1"] == (False, "451 later")
    assert answers["2"][1].startswith("a mistake in our own program")
    assert answers["3"][1].startswith("sync's configuration has no such target")
    assert not any(sent for sent, _ in answers.values())


async def test_a_letter_on_its_way_outlives_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    begun, go_on = asyncio.Event(), asyncio.Event()

    def deliver(_told: Mapping[str, Any]) -> str:
        loop.call_soon_threadsafe(begun.set)
        waiting = asyncio.run_coroutine_threadsafe(_wait(go_on), loop)
        waiting.result(WITHIN_S)
        return "250 well"

    hub = Hub(tmp_path)
    hub.letters = [letter("1", "shift", "a")]
    work = deliveries(monkeypatch, hub, deliver)
    async with alongside(work.run(), name="calls"):
        async with hub.serving(), asyncio.timeout(WITHIN_S):
            await begun.wait()
        go_on.set()
        async with hub.serving():
            assert await hub.answered(1) == [("1", True, "250 well")]


async def test_a_conversation_without_an_end_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    roads: list[Road] = []

    def deliver(_told: Mapping[str, Any]) -> str:
        asyncio.run_coroutine_threadsafe(_wait(over), loop).result(WITHIN_S)
        return "too late"

    def road(*_args: object, **_more: object) -> Road:
        roads.append(Road(deliver))
        return roads[-1]

    hub = Hub(tmp_path)
    hub.letters = [letter("1")]
    work = deliveries(monkeypatch, hub, deliver)
    monkeypatch.setattr(callout, "Mail", road)
    monkeypatch.setattr(callout, "DELIVER_WITHIN_S", 0.01)
    async with hub.serving(), alongside(work.run(), name="calls"):
        assert await hub.answered(1) == [("1", False, "no end within 0.01 s")]
        assert roads[0].aborted
        over.set()


async def test_a_broken_answer_of_the_hub_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub(tmp_path)
    hub.letters = [{"id": 1}]
    work = deliveries(monkeypatch, hub, lambda _told: "250 well")
    async with hub.serving(), alongside(work.run(), name="calls"):
        async with asyncio.timeout(WITHIN_S):
            while "calls cannot be fetched" not in caplog.text:
                await asyncio.sleep(0.005)
        hub.letters = [letter("1")]
        assert await hub.answered(1) == [("1", True, "250 well")]


async def test_sync_has_nothing_to_do_for_a_lamp_alone(tmp_path: Path) -> None:
    config, problems = check_text(
        'config_version = 1\n[site]\nid = "s"\ngateway = "g"\n[callout]\n'
    )
    assert config is not None, problems
    async with asyncio.timeout(WITHIN_S):
        await run(config, state_dir=tmp_path, run_dir=tmp_path, clock=HastyClock())


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
