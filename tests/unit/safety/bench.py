"""A bench for the safety logic: build a matrix, feed it, let time pass."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from appliance.config import ElementSettings, InitiatorSettings
from appliance.domain.ports import OutputFailedError
from appliance.domain.sample import (
    STATUS_BAD_SENSOR_FAILURE,
    STATUS_GOOD,
    Quality,
    Sample,
    bad_sample,
)
from appliance.domain.tag import TagId
from appliance.safety.channel import STATUS_BAD_TIMEOUT, Reading
from appliance.safety.latch import Report
from appliance.safety.logic import Commands, Matrix, Readings, Turn, power_up, step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from appliance.safety.logic import State

Given = float | str | None


class MakeRow(Protocol):
    def __call__(self, **changes: Any) -> InitiatorSettings: ...  # noqa: ANN401


class MakeElement(Protocol):
    def __call__(self, **changes: Any) -> ElementSettings: ...  # noqa: ANN401


class MakeSample(Protocol):
    def __call__(self, tag: str, given: Given) -> Sample: ...


MakeBench: TypeAlias = "Callable[..., Bench]"


def a_row(**changes: Any) -> InitiatorSettings:  # noqa: ANN401
    """A high vibration trip at 7 with a deadband of 1, tight in time."""
    given: dict[str, Any] = {
        "id": "high",
        "channels": ("P/a",),
        "setpoint": 7.0,
        "deadband": 1.0,
        "max_age_s": 0.5,
        "comms_loss_delay_s": 0.5,
    }
    return InitiatorSettings(**{**given, **changes})


def an_element(**changes: Any) -> ElementSettings:  # noqa: ANN401
    given: dict[str, Any] = {
        "id": "motor",
        "output": "plc",
        "point": "permit",
        "heartbeat": "beat",
        "feedback": "P/running",
    }
    return ElementSettings(**{**given, **changes})


def a_sample(tag: str, given: Given, time_ns: int = 1) -> Sample:
    """A good value, `bad`, or `late` as a reader says it."""
    match given:
        case "bad":
            return bad_sample(TagId(tag), STATUS_BAD_SENSOR_FAILURE, time_ns)
        case "late":
            return bad_sample(TagId(tag), STATUS_BAD_TIMEOUT, time_ns)
        case _:
            value = float(given if given is not None else math.nan)
            return Sample(
                TagId(tag), value, Quality.GOOD, STATUS_GOOD, time_ns, time_ns
            )


@dataclass
class Bench:
    """Plays scans of 1/8 s (exact in binary); the output obeys at once."""

    matrix: Matrix
    state: State
    now_s: float = 100.0
    values: dict[str, Given] = field(default_factory=dict)
    models: dict[str, Given] = field(default_factory=dict)
    running: Given = 0.0
    reports: dict[str, Report] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def scan(self, dt_s: float = 0.125, **commands: Any) -> Turn:  # noqa: ANN401
        self.now_s += dt_s
        given: Mapping[str, Given] = {**self.values, "P/running": self.running}
        tags = {
            tag: Reading(a_sample(tag, each), self.now_s)
            for tag, each in given.items()
            if each is not None
        }
        models = {
            row: Reading(a_sample(row, each), self.now_s)
            for row, each in self.models.items()
            if each is not None
        }
        readings = Readings(tags, models, dict(self.reports))
        turn = step(self.matrix, self.state, readings, Commands(**commands), self.now_s)
        self.state = turn.state
        self.reports = {
            name: Report(point=order.may_run) for name, order in turn.orders.items()
        }
        self.names += [event.name for event in turn.events]
        return turn

    def scans(self, length_s: float) -> Turn:
        turn = self.scan()
        for _ in range(round(length_s / 0.125) - 1):
            turn = self.scan()
        return turn

    def reset(self, *elements: str) -> Turn:
        wanted = elements or tuple(each.id for each in self.matrix.elements)
        return self.scan(reset=frozenset(wanted), actor="kim")

    def ready(self) -> Bench:
        """Bring it to running: everything good, reset."""
        self.values |= {
            tag: 1.0
            for row in self.matrix.rows
            for tag in row.channels
            if tag not in self.values
        }
        self.scan()
        self.scan()
        assert self.reset().refusals == ()
        self.scan()
        self.names.clear()
        return self

    def tripped(self) -> bool:
        return any(latch.tripped for latch in self.state.latches.values())

    @property
    def first_out(self) -> str:
        return self.state.latches["motor"].first_out


def a_bench(
    *rows: InitiatorSettings,
    elements: tuple[ElementSettings, ...] | None = None,
    stops: Mapping[str, tuple[str, ...]] | None = None,
    armed: bool = True,
    causes: dict[str, tuple[str, ...]] | None = None,
) -> Bench:
    rows = rows or (a_row(),)
    columns = (an_element(),) if elements is None else elements
    every = tuple(each.id for each in columns)
    matrix = Matrix(rows, columns, stops or {row.id: every for row in rows})
    return Bench(matrix, power_up(matrix, causes or {}, armed=armed))


class FakeClock:
    """Sleeping takes no time of ours, but lets the others work."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def utc_ns(self) -> int:
        return int(self.time_s * 1e9)

    def now_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.time_s += max(0.0, seconds)
        await asyncio.sleep(0)


class FakePlant:
    """A plant in memory: a reader and an output that can be broken on purpose."""

    name = "plc"

    def __init__(self) -> None:
        self.values: dict[str, Given] = {"P/a": 1.0}
        self.points: dict[str, float] = {}
        self.writes: list[tuple[str, float]] = []
        self.reads = 0
        self.running: Given = 1.0
        self.refuse = False
        self.hang = asyncio.Event()
        self.hang.set()
        self.reading = asyncio.Event()
        self.reading.set()
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.opened += 1
        try:
            yield
        finally:
            self.opened -= 1

    async def read(self, deadline_s: float) -> tuple[Sample, ...]:
        assert deadline_s > 0
        self.reads += 1
        await self.reading.wait()
        running = 0.0 if not self.points.get("permit") else self.running
        given = {**self.values, "P/running": running}
        return tuple(a_sample(tag, each) for tag, each in given.items())

    async def write(self, point: str, value: float, *, deadline_s: float) -> None:
        assert deadline_s > 0
        await self.hang.wait()
        self.writes.append((point, value))
        if self.refuse:
            raise OutputFailedError("refused")
        self.points[point] = value
