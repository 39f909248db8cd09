"""`wheeltapper learn` on a real buffer: labels heeded, refreshed under guard."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.cli import main
from appliance.commands.exits import CommandError
from appliance.commands.training import Bounds, train_bundle
from appliance.config.model import StorageSettings
from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import Tag, TagId
from appliance.domain.verdict import verdict_event
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store
from models.features import FeatureTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.system

S = 1_000_000_000
FROM_NS = SystemClock().utc_ns() // S * S - 1000 * S
FLOW, SPEED = TagId("P-101/flow"), TagId("P-101/speed")
WELL_S, FAULT_S = 200, 60
CONFIG = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "x"
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[sources.tags]]
id = "P-101/speed"
key = "speed"
[[assets]]
id = "P-101"
detection = { window_s = 4.0, hop_s = 1.0, on_delay_s = 2.0 }
"""


async def keep(
    folder: Path, events: Sequence[Event], *, since_s: int, flow: float
) -> None:
    """Store a time of the plant, and what was recorded in it."""
    rng = np.random.default_rng(since_s)
    opening = open_store(folder / "buffer.db", StorageSettings(), SystemClock())
    async with opening as store:
        numbers = await store.register([Tag(FLOW), Tag(SPEED)])
        last_s = since_s + (WELL_S if flow < 60.0 else FAULT_S)
        for second in range(since_s, last_s):
            values = [flow + rng.normal(), 1480.0 + 2.0 * rng.normal()]
            now_ns = FROM_NS + second * S
            store.append(
                batch_of(
                    [numbers[FLOW], numbers[SPEED]],
                    values,
                    source_time_ns=now_ns,
                    receive_time_ns=now_ns,
                    group="plant.x",
                )
            )
        for event in events:
            await store.append_event(event)


def anomaly(name: str, at_s: int) -> Event:
    return Event(EventKind.ANOMALY, name, FROM_NS + at_s * S, "", asset="P-101")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wt.toml").write_text(CONFIG)
    return tmp_path


def learned(
    folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0
) -> dict[str, Any]:
    places = ["--state-dir", str(folder), "--run-dir", str(folder), "--json"]
    config = str(folder / "wt.toml")
    assert main(["learn", "P-101", "-c", config, *places, *words]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_model_is_learned_refreshed_and_kept_from_learning_a_fault(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(keep(folder, (), since_s=0, flow=50.0))
    first = learned(folder, capsys)
    assert first["active"]
    assert first["left_out"] == []
    assert first["learning"]["missing"]

    fault = [anomaly("begin", WELL_S), anomaly("end", WELL_S + FAULT_S)]
    asyncio.run(keep(folder, fault, since_s=WELL_S, flow=75.0))
    again = learned(folder, capsys)
    assert again["active"]
    assert any("anomaly stood" in each for each in again["left_out"])
    assert again["rows"] <= WELL_S

    # somebody confirms it: until the repair nothing more is learned
    begun_ns = FROM_NS + WELL_S * S
    right = verdict_event(
        "P-101", "true", note="", actor="a", utc_ns=begun_ns + S, since_ns=begun_ns
    )
    asyncio.run(keep(folder, [right], since_s=WELL_S + FAULT_S, flow=50.0))
    guarded = learned(folder, capsys, "--no-activate")
    assert any("no repair is on record" in each for each in guarded["left_out"])
    assert guarded["objections"] == []

    # it was none after all: learned mostly from it, normal would reach much further
    wrong = verdict_event(
        "P-101", "false", note="", actor="a", utc_ns=begun_ns + 2 * S, since_ns=begun_ns
    )
    asyncio.run(keep(folder, [wrong], since_s=2 * WELL_S + FAULT_S, flow=50.0))
    span = ("--from", iso(WELL_S - 40), "--to", iso(WELL_S + FAULT_S))
    lax = learned(folder, capsys, *span, code=1)
    assert not lax["active"]
    assert lax["left_out"] == []
    assert any("times as far out" in each for each in lax["objections"])
    assert active(folder) == again["version"]
    forced = learned(folder, capsys, *span, "--force")
    assert forced["known"]
    assert active(folder) == forced["version"]


def iso(second: int) -> str:
    moment = datetime.fromtimestamp((FROM_NS + second * S) // S, UTC)
    return moment.isoformat()


def active(folder: Path) -> str:
    return (folder / "models" / "P-101" / "active").readlink().name


def test_training_ends_at_its_bounds_with_one_clear_error(tmp_path: Path) -> None:
    column = np.random.default_rng(0).normal(size=(200_000, 40))
    names = tuple(f"P-1/t{i}:mean" for i in range(40))
    times_ns = np.arange(len(column), dtype=np.int64) * S
    table = FeatureTable(names, times_ns, column, np.ones_like(column))
    settings: dict[str, Any] = {
        "asset": "P-1", "window_s": 4.0, "hop_s": 1.0,
        "tags": [{"id": f"P-1/t{i}"} for i in range(40)],
    }  # fmt: skip
    few = FeatureTable(names, times_ns[:50], column[:50], np.ones((50, 40)))
    with pytest.raises(CommandError, match=r"more than 0\.01 s; learn from a shorter"):
        train_bundle(few, settings, tmp_path, bounds=Bounds(within_s=0.01))
    with pytest.raises(CommandError, match=r"more than 0\.6 GB of memory"):
        train_bundle(table, settings, tmp_path, bounds=Bounds(300.0, 600_000_000))
    assert [each.name for each in tmp_path.glob("*/*")] == []
