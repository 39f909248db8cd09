"""A month without the cloud, by a simulated clock, over several times the quota.

The store, the recorder of events and the retention are the product's own; only time is
made. What the hub would do each commit period is done each `step_s` of that time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from appliance.config.model import StorageSettings
from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import Tag, parse_tag_id
from appliance.hub.recorder import EventRecorder
from appliance.storage.store import open_store
from appliance.wire.outbox import HealthRow, Stream, SummaryRow, encode_row

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch
    from appliance.storage.store import BufferStore

START_NS = 1_700_006_400 * 10**9
SPIKE_S = 2 * 86_400
SPIKE = 9_999.0
_NS = 10**9
_HOUR_S, _DAY_S = 3600, 86_400
_CHATTER_S = 45


@dataclass(frozen=True, slots=True)
class Plan:
    """How much comes in `days`: `tags` values each `period_s`, committed each `step_s`.

    One alarm chatters all the time; each hour has an act of a person, each day a trip.
    """

    tags: int
    period_s: float
    step_s: int
    quota_bytes: int
    outbox_quota_bytes: int
    days: float = 30.0

    @property
    def values_per_s(self) -> float:
        """The load."""
        return self.tags / self.period_s

    @property
    def steps(self) -> int:
        """How often is committed."""
        return int(self.days * _DAY_S / self.step_s)


@dataclass(slots=True)
class Month:
    """What came of it: bytes at their highest, and what was told, by kind."""

    peak_bytes: int = 0
    told: Counter[str] = field(default_factory=Counter)
    counters: dict[str, int] = field(default_factory=dict)


class MonthClock:
    """Time is where the simulation has put it."""

    def __init__(self) -> None:
        self.s = 0

    def utc_ns(self) -> int:
        """Return it as UTC."""
        return START_NS + self.s * _NS

    def now_s(self) -> float:
        """Return it as seconds."""
        return float(self.s)

    async def sleep(self, seconds: float) -> None:
        """Return at once: nothing here waits for time."""


def tag_names(plan: Plan) -> list[str]:
    """Return the names of the tags; tag number 1 has the spike."""
    return [f"P-{number}/pressure" for number in range(1, plan.tags + 1)]


async def live_through(path: Path, plan: Plan) -> Month:
    """Fill a buffer as a hub without its cloud would; return what came of it."""
    clock, month = MonthClock(), Month()
    settings = StorageSettings(
        quota_bytes=plan.quota_bytes, outbox_quota_bytes=plan.outbox_quota_bytes
    )
    rng = np.random.default_rng(6)
    level = np.full(plan.tags, 20.0)
    async with open_store(path, settings, clock) as store:
        await store.register([Tag(parse_tag_id(name)) for name in tag_names(plan)])
        recorder = EventRecorder(store, lambda _message: None, clock=clock)
        for _ in range(plan.steps):
            values = _walk(rng, level, round(plan.step_s / plan.period_s))
            level = values[-1]
            store.append(_batch(plan, values, clock.s))
            _enqueue(store, plan, values, clock.s)
            _tell(recorder, plan, clock, month)
            await recorder.commit_waiting()
            await store.flush()
            await store.fold()
            await store.retain()
            month.peak_bytes = max(month.peak_bytes, size_of(path))
        await recorder.flush()
        month.counters = store.counters()
    return month


def size_of(path: Path) -> int:
    """Return what file and log take."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _walk(
    rng: np.random.Generator, level: NDArray[np.float64], ticks: int
) -> NDArray[np.float64]:
    """Return what a 16-bit converter of a span of 200 units gives."""
    steps = np.cumsum(rng.normal(0, 0.02, (ticks, len(level))), axis=0)
    drawn_back = 20 + (level - 20) * 0.9
    noise = rng.normal(0, 1.0, (ticks, len(level)))
    return np.rint((drawn_back + steps + noise + 50) / 200 * 65535) * 200 / 65535 - 50


def _batch(plan: Plan, values: NDArray[np.float64], at_s: int) -> Batch:
    ticks = len(values)
    period_ns = round(plan.period_s * _NS)
    time_ns = START_NS + at_s * _NS + np.arange(ticks, dtype=np.int64) * period_ns
    if at_s <= SPIKE_S < at_s + plan.step_s:
        values[ticks // 2, 0] = SPIKE
    return batch_of(
        np.tile(np.arange(1, plan.tags + 1, dtype=np.uint32), ticks),
        values.reshape(-1),
        source_time_ns=np.repeat(time_ns, plan.tags),
        receive_time_ns=START_NS + at_s * _NS,
    )


def _enqueue(
    store: BufferStore, plan: Plan, values: NDArray[np.float64], at_s: int
) -> None:
    """Queue what the cloud would get: a summary per tag and step, and a health row."""
    time_ns = START_NS + at_s * _NS
    low, high = values.min(axis=0).tolist(), values.max(axis=0).tolist()
    mean, std = values.mean(axis=0).tolist(), values.std(axis=0).tolist()
    rows = [
        SummaryRow(name, time_ns, plan.step_s, len(values), 0, a, b, c, d, last)
        for name, a, b, c, d, last in zip(
            tag_names(plan), low, high, mean, std, values[-1].tolist(), strict=True
        )
    ]
    store.enqueue(Stream.SUMMARY, [encode_row(row) for row in rows], time_ns)
    health = HealthRow(
        asset="P-1",
        time_ns=time_ns,
        score=0.5,
        limit=1.0,
        index=0.9,
        anomaly=False,
        life_h=900.0,
        life_low_h=800.0,
        life_high_h=1000.0,
        cause="pressure",
        model="v1",
    )
    store.enqueue(Stream.HEALTH, [encode_row(health)], time_ns)


def _tell(recorder: EventRecorder, plan: Plan, clock: MonthClock, month: Month) -> None:
    """Let a step pass: an alarm chatters all the time, people and trips are rarer."""
    details = {"id": "P-1/pressure:high"}
    until_s = clock.s + plan.step_s
    while clock.s < until_s:
        clock.s += min(_CHATTER_S, plan.step_s)
        for name in ("active", "returned"):
            time_ns = clock.utc_ns()
            alarm = Event(EventKind.ALARM, name, time_ns, "high", details=details)
            _hear(recorder, month, alarm)
        recorder.tick()
    time_ns = clock.utc_ns()
    if until_s % _HOUR_S < plan.step_s:
        _hear(recorder, month, Event(EventKind.AUDIT, "asked", time_ns, "an act"))
    if until_s % _DAY_S < plan.step_s:
        _hear(recorder, month, Event(EventKind.TRIP, "first_out", time_ns, "a trip"))


def _hear(recorder: EventRecorder, month: Month, event: Event) -> None:
    month.told[event.kind] += 1
    recorder.tell(event)
