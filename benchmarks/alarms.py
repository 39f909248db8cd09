"""Alarms: ten thousand of them beside a plain loop over the same limits.

python -m benchmarks.alarms [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from appliance.alarms.engine import AlarmEngine
from appliance.alarms.listing import Filter
from appliance.alarms.watch import Place
from appliance.config import AlarmSettings, StorageSettings, check_text
from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import TagId
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from appliance.domain.batch import Batch

ALARMS = 10_000
TRANSITIONS_HZ = 500
LOAD_TARGET_S, CPU_TARGET_PCT = 5.0, 50.0
SETPOINT, DEADBAND, CALM, HIGH = 100.0, 5.0, 50.0, 110.0
_S = 1_000_000_000
T0 = 1_800_000_000 * _S
_HEAD = 'config_version = 1\nsite = { id = "s", gateway = "g" }\n'
_SOURCE = '[[sources]]\nname = "plant"\nconnector = "example"\nfile = "x"\n'


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    ours: float
    baseline: float | None
    baseline_name: str
    target: str
    met: bool | None

    @property
    def ratio(self) -> float | None:
        """Ours to the baseline."""
        return None if not self.baseline else self.ours / self.baseline


class PlainLoop:
    """What one would write first: each row of each batch, one after the other."""

    def __init__(self, count: int) -> None:
        self.active = [False] * count
        self.changes = 0

    def take(self, batch: Batch) -> None:
        """Judge every row."""
        for tag, value in zip(batch.tag.tolist(), batch.value.tolist(), strict=True):
            if value > SETPOINT and not self.active[tag]:
                self.active[tag] = True
                self.changes += 1
            elif value <= SETPOINT - DEADBAND and self.active[tag]:
                self.active[tag] = False
                self.changes += 1


def tags_of(count: int) -> list[str]:
    """Return tags of so many measuring points, a hundred to a machine."""
    return [f"P-{n // 100}/point_{n % 100}" for n in range(count)]


def settings_of(tags: list[str]) -> list[AlarmSettings]:
    """Return an alarm of each tag, with all that an operator needs."""
    return [
        AlarmSettings(
            tag=tag, rule="high", setpoint=SETPOINT, deadband=DEADBAND,
            priority="high", cause="c", consequence="q", action="a",
            respond_within_s=600.0,
        )
        for tag in tags
    ]  # fmt: skip


def engine_of(tags: list[str]) -> AlarmEngine:
    """Return an engine with an alarm of each tag."""
    places = {
        TagId(tag): Place(number, "plant.poll", 5.0) for number, tag in enumerate(tags)
    }
    return AlarmEngine(settings_of(tags), places, now_s=0.0, utc_ns=T0)


def batches(count: int, seconds: int, changing: int) -> list[Batch]:
    """Return a batch a second of all tags; `changing` of them change each second."""
    values = np.full(count, CALM)
    numbers = np.arange(count, dtype=np.uint32)
    found = []
    for second in range(seconds):
        at = (np.arange(changing) + second * changing) % count
        values[at] = np.where(values[at] > SETPOINT, CALM, HIGH)
        time_ns = T0 + second * _S
        found.append(
            batch_of(
                numbers, values.copy(), source_time_ns=time_ns,
                receive_time_ns=time_ns, group="plant.poll",
            )
        )  # fmt: skip
    return found


def load(count: int) -> Figure:
    """Read and check a configuration, and build its engine, beside bare TOML."""
    import tomllib  # noqa: PLC0415 - the baseline, nobody else needs it

    tags = tags_of(count)
    parts = [_HEAD, _SOURCE]
    parts += [f'[[sources.tags]]\nid = "{tag}"\nkey = "{tag}"\n' for tag in tags]
    parts += [
        f'[[alarms]]\ntag = "{tag}"\nrule = "high"\nsetpoint = 100.0\ncause = "c"\n'
        for tag in tags
    ]
    text = "".join(parts)
    begun_s = time.perf_counter()
    tomllib.loads(text)
    bare_s = time.perf_counter() - begun_s
    begun_s = time.perf_counter()
    config, problems = check_text(text)
    assert config is not None, problems[:3]
    engine_of(tags)
    took_s = time.perf_counter() - begun_s
    name = f"{count} alarms: configuration checked and engine built, s"
    met = took_s < LOAD_TARGET_S
    return Figure(name, took_s, bare_s, "tomllib alone", f"< {LOAD_TARGET_S:g} s", met)


def quiet(count: int, seconds: int) -> Figure:
    """Judge a plant in which nothing happens."""
    calm = batches(count, seconds, 0)
    ours_pct = share_pct(engine_of(tags_of(count)), calm)[0]
    plain = PlainLoop(count)
    begun_s = time.process_time()
    for batch in calm:
        plain.take(batch)
    plain_pct = 100 * (time.process_time() - begun_s) / seconds
    name = f"{count} alarms at 1 Hz, nothing happens: CPU, % of a core"
    return Figure(name, ours_pct, plain_pct, "a plain loop", "< 5 %", ours_pct < 5.0)


def busy(count: int, seconds: int) -> tuple[Figure, Figure]:
    """Judge a plant in which alarms come and go without end."""
    restless = batches(count, seconds, TRANSITIONS_HZ)
    ours_pct, told = share_pct(engine_of(tags_of(count)), restless)
    changes = sum(event.name in {"active", "returned"} for event in told)
    assert changes == TRANSITIONS_HZ * seconds, changes
    plain = PlainLoop(count)
    begun_s = time.process_time()
    for batch in restless:
        plain.take(batch)
    plain_s = time.process_time() - begun_s
    name = f"{count} alarms, {TRANSITIONS_HZ} transitions/s: CPU, % of a core"
    share = Figure(
        name, ours_pct, 100 * plain_s / seconds, "a plain loop without events",
        f"< {CPU_TARGET_PCT:g} %", ours_pct < CPU_TARGET_PCT,
    )  # fmt: skip
    rate = changes / (ours_pct / 100 * seconds)
    most = Figure(
        "transitions/s of one core, each with its event", rate,
        plain.changes / plain_s, "a plain loop without events",
        f"> {TRANSITIONS_HZ}", rate > TRANSITIONS_HZ,
    )  # fmt: skip
    return share, most


def share_pct(engine: AlarmEngine, given: list[Batch]) -> tuple[float, list[Event]]:
    """Return which part of a core a batch a second takes, and what is told."""
    told: list[Event] = []
    (known,) = batches(len(given[0]), 1, 0)  # what a start costs is another figure
    engine.evaluate(known, now_s=0.0, utc_ns=T0)
    begun_s = time.process_time()
    for second, batch in enumerate(given):
        now_s, utc_ns = float(second), T0 + second * _S
        told += engine.evaluate(batch, now_s=now_s, utc_ns=utc_ns)
        for _ in range(5):  # the hub's own rhythm
            told += engine.tick(now_s=now_s, utc_ns=utc_ns)
    return 100 * (time.process_time() - begun_s) / len(given), told


def listed(count: int) -> Figure:
    """List what stands of a flood, and of all, as a screen asks for it."""
    engine = engine_of(tags_of(count))
    for batch in batches(count, 1, 100):
        engine.evaluate(batch, now_s=0.0, utc_ns=T0)
    begun_s = time.perf_counter()
    standing = engine.table(now_s=0.0, utc_ns=T0, only=Filter(standing=True))
    took_ms = 1e3 * (time.perf_counter() - begun_s)
    assert len(standing) == 100
    begun_s = time.perf_counter()
    engine.table(now_s=0.0, utc_ns=T0)
    every_ms = 1e3 * (time.perf_counter() - begun_s)
    name = f"100 of {count} alarms stand: their list, ms"
    return Figure(name, took_ms, every_ms, "a list of all", "< 100 ms", took_ms < 100)


async def chained(events: int) -> Figure:
    """Commit events with their chain, beside the same hashes alone."""
    told = [
        Event(
            EventKind.ALARM, "active", T0 + n, "P-1/point is high", asset="P-1",
            priority="high", details={"id": f"P-1/point_{n % 100}:high"},
        )
        for n in range(events)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "buffer.db"
        async with open_store(path, StorageSettings(), SystemClock()) as store:
            begun_s = time.perf_counter()
            for start in range(0, events, 256):
                async with asyncio.TaskGroup() as group:
                    for event in told[start : start + 256]:
                        group.create_task(store.append_event(event), name="event")
            took_s = time.perf_counter() - begun_s
    rate = events / took_s
    name = "events/s committed with FULL, in groups of 256, chained"
    return Figure(name, rate, None, "", f"> {TRANSITIONS_HZ}", rate > TRANSITIONS_HZ)


def main() -> int:
    """Measure, print, write; 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    seconds = 5 if args.quick else 60
    figures = [
        load(ALARMS),
        quiet(ALARMS, seconds),
        *busy(ALARMS, seconds),
        listed(ALARMS),
        asyncio.run(chained(2_000 if args.quick else 20_000)),
    ]
    for each in figures:
        beside = "" if each.baseline is None else f"{each.baseline:12.4g}"
        met = "" if each.met else "  <-- NOT MET"
        print(f"{each.name:66} {each.ours:12.4g} {beside} {each.baseline_name}{met}")
    if args.json is not None:
        rows = [{**vars(each), "ratio": each.ratio} for each in figures]
        args.json.write_text(json.dumps(rows, indent=2))
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
