"""What was known of an asset survives the process, or begins anew and says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inference.adwin import Bucket
from appliance.inference.drift import DriftWatch
from appliance.inference.drift_memory import DriftMemory, RowsMemory, ShiftMemory
from appliance.inference.episodes import Episode
from appliance.inference.level import LevelMemory
from appliance.inference.memory import (
    KEEP_EACH_S,
    SCHEMA,
    AssetMemory,
    Keeper,
    read_memory,
    recall_drift,
    write_memory,
)

if TYPE_CHECKING:
    from pathlib import Path

LEVEL = LevelMemory(((Bucket(1, 0.5, 0.0),), ()), 0.25, (7, 0.75), 0.5, 2)
DRIFT = DriftMemory(
    model="v1",
    features=("P-1/a:mean", "P-1/b:mean"),
    block=3,
    fresh=("running",),
    recent={"running": RowsMemory((1, 2), bytes(32))},
    shifts=(ShiftMemory("running", "P-1/b:mean", 50, 9, 0.75),),
    score=LEVEL,
    unknown=LEVEL,
)
KNOWN = AssetMemory(
    SCHEMA,
    "P-1",
    (Episode(10, 20, {"flow_z": 1.5}, "bearing replaced"),),
    Episode(30, 30, {"flow_z": -2.0}),
    25,
    DRIFT,
)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def utc_ns(self) -> int:
        return round(self.at_s * 1e9)

    def now_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds


class Judge:
    """One who knows something."""

    def __init__(self, known: AssetMemory | None) -> None:
        self.known = known

    def memory(self) -> AssetMemory | None:
        return self.known


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(tmp_path: Path, clock: Clock) -> Keeper:
    return Keeper(tmp_path / "inference", clock)


def test_a_memory_comes_back_as_it_was() -> None:
    assert read_memory(write_memory(KNOWN), "P-1") == KNOWN


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_one_is_refused(data: st.DataObject) -> None:
    whole = write_memory(KNOWN)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(1, 255))
    damaged = bytearray(whole)
    damaged[place] ^= other
    with pytest.raises(ValueError, match="damaged"):
        read_memory(bytes(damaged), "P-1")
    with pytest.raises(ValueError, match="damaged"):
        read_memory(whole[:place], "P-1")


def test_one_of_another_asset_or_form_is_refused() -> None:
    newer = msgspec.structs.replace(KNOWN, schema=SCHEMA + 1)
    for memory, asset in ((KNOWN, "P-2"), (newer, "P-1")):
        with pytest.raises(ValueError, match="it is of"):
            read_memory(write_memory(memory), asset)


async def test_it_is_written_at_a_bounded_rate_and_only_when_it_has_changed(
    keeper: Keeper, clock: Clock, tmp_path: Path
) -> None:
    judge, file = Judge(KNOWN), tmp_path / "inference" / "P-1.memory"
    await keeper.keep("P-1", judge)
    clock.at_s += KEEP_EACH_S - 1.0
    await keeper.keep("P-1", judge)
    assert not file.exists()
    clock.at_s += 1.0
    await keeper.keep("P-1", judge)
    first = file.stat().st_ino
    assert keeper.read("P-1") == KNOWN
    clock.at_s += KEEP_EACH_S
    await keeper.keep("P-1", judge)
    assert file.stat().st_ino == first
    judge.known = msgspec.structs.replace(KNOWN, maintained_ns=26)
    await keeper.keep("P-1", judge)
    assert keeper.read("P-1") == KNOWN
    keeper.keep_all({"P-1": judge})
    assert keeper.read("P-1") == judge.known


def test_what_is_not_there_begins_anew_in_silence(
    keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper.keep_all({"P-1": Judge(None)})
    assert keeper.read("P-1") is None
    assert not (tmp_path / "inference").exists()
    assert caplog.text == ""


def test_what_is_damaged_begins_anew_and_says_so(
    keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper.keep_all({"P-1": Judge(KNOWN)})
    (tmp_path / "inference" / "P-1.memory").write_bytes(b"\0" * 40)
    assert keeper.read("P-1") is None
    assert [record.getMessage() for record in caplog.records] == [
        "what was known of P-1 begins anew: it is damaged"
    ]


def test_a_disk_that_refuses_stops_nothing_and_is_told_once(
    keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "inference").write_text("in the way")
    for _ in range(3):
        keeper.keep_all({"P-1": Judge(KNOWN)})
    assert len(caplog.records) == 1
    (tmp_path / "inference").unlink()
    keeper.keep_all({"P-1": Judge(KNOWN)})
    assert "kept again" in caplog.records[-1].getMessage()
    assert keeper.read("P-1") == KNOWN


def watch(model: str = "v1") -> DriftWatch:
    reference = {"running": RowsMemory((1, 2), bytes(32)).rows(2)}
    tables = {mode: [row for _, row in rows] for mode, rows in reference.items()}
    return DriftWatch(DRIFT.features, tables, model=model)  # type: ignore[arg-type] # as good as a table here


def test_drift_goes_on_under_the_model_that_it_is_of() -> None:
    found = recall_drift(watch(), KNOWN)
    assert found.drift is not None
    assert found.drift.tags == ("P-1/b",)
    assert found.memory() == DRIFT
    assert recall_drift(watch(), None).drift is None


REPLACE = msgspec.structs.replace


@pytest.mark.parametrize(
    "other",
    [
        REPLACE(DRIFT, model="v2"),
        REPLACE(DRIFT, features=("P-1/a:mean",)),
        REPLACE(DRIFT, fresh=("idle",)),
        REPLACE(DRIFT, recent={"running": RowsMemory((1, 2), bytes(24))}),
        REPLACE(DRIFT, recent={"running": RowsMemory((1,), b"\xff" * 16)}),
        REPLACE(DRIFT, shifts=(ShiftMemory("running", "P-1/z:mean", 50, 9, 0.7),)),
    ],
)
def test_drift_of_another_model_begins_anew_and_says_so(
    other: DriftMemory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = recall_drift(watch(), REPLACE(KNOWN, drift=other))
    assert found.drift is None
    assert found.memory() == watch().memory()
    assert len(caplog.records) == 1
    assert "begins anew" in caplog.text
