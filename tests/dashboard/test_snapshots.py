"""What is on the terminal, to the cell: text and styles, six states, three sizes.

A snapshot is a text file in `snapshots/`. After a change that is meant, write them anew
and read the difference:

    WHEELTAPPER_SNAPSHOTS=write pytest tests/dashboard/test_snapshots.py

No socket and no clock is in this: the gateway's answers are handed to the window's
model, and the time stands.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from appliance.alarms.metrics import Metrics
from appliance.dashboard.app import Dashboard
from appliance.dashboard.feed import HUB_QUESTIONS, SAFETY_QUESTIONS
from appliance.dashboard.model import HUB, SAFETY
from appliance.dashboard.picture import pieces_of
from appliance.dashboard.shelf import Shelf, Version
from appliance.domain.event import Event, EventKind
from appliance.wire.messages import (
    PROTOCOL,
    BatchMessage,
    EventMessage,
    Hello,
    TagEntry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.pilot import Pilot

    from tests.support.dashboard_gateway import Gateway

FOLDER = Path(__file__).parent / "snapshots"
WRITE = os.environ.get("WHEELTAPPER_SNAPSHOTS") == "write"
SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)
SIZES = (SMALL, MIDDLE, LARGE)
MAIN = (
    ("1", "overview", SIZES),
    ("3", "alarms", SIZES),
    ("4", "trips", (SMALL, MIDDLE)),
    ("2", "asset", (SMALL, MIDDLE)),
)
REST = (
    ("6", "tag", (SMALL, MIDDLE)),
    ("5", "system", (SMALL, MIDDLE)),
    ("7", "models", (SMALL, MIDDLE)),
    ("9", "kpi", SIZES),
    ("8", "events", (SMALL, MIDDLE)),
    ("question_mark", "help", SIZES),
)
GUARD = "P-101 vibration high-high"
STEPS, STEP_S = 12, 2.0
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Direct:
    """In the place of a link's server: what is published waits to be taken."""

    def __init__(self) -> None:
        self.tags: Sequence[TagEntry] = ()
        self.operations: dict[str, Callable[..., Any]] = {}
        self.told: list[BatchMessage | EventMessage] = []
        self.publish_batch = self.publish_event = self.told.append

    def set_tags(self, _epoch: str, tags: Sequence[TagEntry]) -> None:
        self.tags = tags

    def operation(self, name: str, work: Callable[..., Any], **_role: object) -> None:
        self.operations[name] = work

    async def serve(self) -> None:
        await asyncio.Event().wait()

    async def wait_ready(self) -> None:
        pass

    async def ask(self, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
        return await self.operations[op](args, SimpleNamespace(name="anna"))


class Still(Dashboard):
    """A window whose model is filled by hand."""

    def listen(self) -> None:
        """Nobody is listened to."""

    def let_time_pass(self, gateway: Gateway) -> None:
        """Let the plant run for a while, without giving the window a turn."""
        for step in range(STEPS):
            gateway.clock.added_s += STEP_S
            gateway.healthy()
            gateway.publish({"P-101/DE/vibration_rms": 1.2 + 0.05 * (step % 4)})
            self.take_news(gateway)
            self.plant.pass_time(self.now)

    def take_news(self, gateway: Gateway) -> None:
        for server in (gateway.hub_server, gateway.safety_server):
            told = cast("Direct", server).told
            for news in told:
                if isinstance(news, BatchMessage):
                    self.plant.take_batch(news, self.now)
                else:
                    self.plant.take_event(news)
            told.clear()

    async def take_answers(self, hub: Direct, safety: Direct) -> None:
        for server, questions in ((hub, HUB_QUESTIONS), (safety, SAFETY_QUESTIONS)):
            for question in questions:
                result = await server.ask(question.op, **question.args)
                self.plant.take_answer(question.op, result, self.now)


async def normal(_app: Still, _gateway: Gateway) -> None:
    """All is well."""


async def alarm(app: Still, gateway: Gateway) -> None:
    """The bearing is ill; model and limit say so."""
    del app
    gateway.fall_ill()


async def flood(app: Still, gateway: Gateway) -> None:
    """More alarms than anybody can read, most of them below one root."""
    await alarm(app, gateway)
    gateway.flood = True
    gateway.metrics = many_hours(gateway.clock.utc_ns())
    operations = cast("Direct", gateway.hub_server).operations
    usual = operations["alarms.list"]

    async def many(args: Mapping[str, Any], peer: Any) -> object:  # noqa: ANN401 - of the test
        rows = await usual(args, peer)
        root = next(row for row in rows if row["rule"] == "high" and row["active"])
        return rows + [_another(root, number) for number in range(30)]

    operations["alarms.list"] = many


def many_hours(now_ns: int) -> Metrics:
    """Return the figures of three hours in which one alarm chattered."""
    metrics = Metrics(now_ns - 3 * 3600 * 10**9, {})
    names = ("P-101/DE/vibration_rms:high", "T-101/level:low", "V-101/position:bad")
    told = [("active", names[n % 7 % 3], 40 + n) for n in range(70)]
    for name, alarm_id, ago_s in (*told, ("chattering", names[0], 40)):
        details: dict[str, str | bool] = {
            "id": alarm_id,
            "active": True,
            "acknowledged": False,
        }
        if name == "active":
            details["announced"] = True
        metrics.add(Event(
            EventKind.ALARM, name, now_ns - ago_s * 10**9, "", details=details,
            priority="high" if alarm_id == names[0] else "medium",
        ))  # fmt: skip
    return metrics


def _another(root: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """Return one more alarm; three of four have the root for their parent."""
    name = f"P-101/bearing_{number}"
    below = number % 4 != 0
    return {
        **root,
        "id": f"{name}:high",
        "tag": name,
        "priority": ("low", "medium", "high")[number % 3],
        "parent": root["id"] if below else "",
        "group": root["id"] if below else f"{name}:high",
    }


async def bypass(app: Still, gateway: Gateway) -> None:
    """A probe is changed; the guard is out of action for an hour."""
    del app
    args = {"initiator": GUARD, "reason": "probe swap", "length_s": 3600.0}
    peer: Any = SimpleNamespace(name="anna")
    await gateway._bypass(args, peer)


async def trip(app: Still, gateway: Gateway) -> None:
    """Safety has stopped the machine."""
    await alarm(app, gateway)
    gateway.trip()


async def disconnected(app: Still, gateway: Gateway) -> None:
    """All was well, but nobody answers any more."""
    app.take_news(gateway)
    for process in (HUB, SAFETY):
        app.plant.take_loss(process, "/run/x.sock: Connection refused", app.now)
    gateway.clock.added_s += 65.0


KPIS = (("9", "kpi", SIZES),)
STATES = {
    "normal": (normal, (*MAIN, *REST)),
    "alarm": (alarm, MAIN),
    "flood": (flood, (*MAIN, *KPIS)),
    "bypass": (bypass, MAIN),
    "trip": (trip, MAIN),
    "disconnected": (disconnected, MAIN),
}


def names() -> set[str]:
    """Return the names of all snapshots."""
    return {
        f"{state}-{screen}-{width}x{height}.txt"
        for state, (_, screens) in STATES.items()
        for _key, screen, sizes in screens
        for width, height in sizes
    }


def test_the_folder_holds_the_snapshots_and_nothing_else() -> None:
    assert len(names()) >= 40
    if not WRITE:
        assert {path.name for path in FOLDER.iterdir()} == names()


@pytest.mark.parametrize("state", STATES)
async def test_the_screen_is_as_it_was(
    gateway: Gateway, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(gateway, "_server", lambda _name: Direct())
    happen, screens = STATES[state]
    changed: list[str] = []
    async with gateway.hub() as one, gateway.safety() as other:
        hub, safety = cast("Direct", one), cast("Direct", other)
        gateway.models = {"P-101": "20261121-1"}
        gateway.run_up()
        app = Still(gateway.run_dir, clock=gateway.clock, zone=UTC)
        monkeypatch.setattr(app.hub, "request", hub.ask)
        async with app.run_test(size=SMALL) as pilot:
            for process, server in ((HUB, hub), (SAFETY, safety)):
                hello = Hello(PROTOCOL, process, "epoch", tuple(server.tags))
                app.plant.take_hello(process, hello, app.now)
            await app.take_answers(hub, safety)
            app.let_time_pass(gateway)
            versions = (Version("P-101", "20261121-1", "active"),
                        Version("P-101", "20261121-2", "candidate"))  # fmt: skip
            app.plant.shelf = Shelf(versions)
            await happen(app, gateway)
            if state != "disconnected":
                app.take_news(gateway)
                await app.take_answers(hub, safety)
            app.plant.pass_time(app.now)
            for key, screen, sizes in screens:
                for size in sizes:
                    text = await seen(app, pilot, key, size)
                    name = f"{state}-{screen}-{size[0]}x{size[1]}.txt"
                    changed += compared(name, text)
    assert not changed, "\n".join(changed)


async def seen(app: Still, pilot: Pilot[None], key: str, size: tuple[int, int]) -> str:
    """Go to a screen in a size; return its snapshot."""
    await pilot.resize_terminal(*size)
    await pilot.press(key)
    await pilot.pause()
    await app.workers.wait_for_complete()
    for _ in range(2):  # a height that changes is seen in the next drawing
        app.redraw()
        await pilot.pause()
    text = snapshot(app)
    if key == "question_mark":
        await pilot.press("escape")
    return text


def snapshot(app: Still) -> str:
    """Return the screen's text, then the style of each run of cells."""
    lines = pieces_of(app)
    legend: dict[str, str] = {}
    runs = []
    for line in lines:
        row = []
        for piece in line:
            style = str(piece.style)
            letter = legend.setdefault(style, _LETTERS[len(legend)])
            row.append(f"{letter}{piece.cells}")
        runs.append(" ".join(row))
    text = ["".join(piece.text for piece in line).rstrip() for line in lines]
    styles = [f"{letter}: {style}" for style, letter in legend.items()]
    return "\n".join([*text, "--- styles", *styles, "--- runs of cells", *runs, ""])


def compared(name: str, text: str) -> list[str]:
    """Return how a screen differs from its snapshot; or write it."""
    path = FOLDER / name
    if WRITE:
        path.write_text(text, encoding="utf-8")
        return []
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        before.splitlines(), text.splitlines(), name, "now", lineterm="", n=0
    )
    return list(lines)
