from __future__ import annotations

import math
import sqlite3
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.batch import Text, Waveform, batch_of
from appliance.domain.tag import Tag, parse_tag_id
from appliance.storage.chunks import Codec, Columns
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.storage.rollups import pack_rollups, roll_up, unpack_rollups
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.storage.store import BufferStore

    Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[BufferStore]]
    MakeBatch: TypeAlias = Callable[..., Batch]
    MakeEvent: TypeAlias = Callable[[str], Event]

START_NS = 1_700_000_040 * 10**9  # a full minute
QUOTA = 1_000_000


def columns(values: list[float], quality: list[int] | None = None) -> Columns:
    """Return rows 10 s apart."""
    rows = len(values)
    return Columns(
        START_NS + np.arange(rows) * 10**10,
        np.array(values),
        np.array([2] * rows if quality is None else quality, np.uint8),
        np.zeros(rows, np.uint32),
    )


def test_a_roll_up_keeps_count_extremes_mean_and_deviation() -> None:
    rollups = roll_up(columns([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 7.0]), 60)
    assert rollups.start_ns.tolist() == [START_NS, START_NS + 60 * 10**9]
    assert rollups.count.tolist() == [6, 1]
    assert (rollups.min[0], rollups.max[0], rollups.mean[0]) == (1.0, 9.0, 4.0)
    assert rollups.std[0] == pytest.approx(np.std([1, 2, 3, 4, 5, 9]))


def test_a_roll_up_counts_what_is_bad_and_says_where_nothing_is_known() -> None:
    rollups = roll_up(columns([1.0, math.nan, math.inf, 3.0], [2, 2, 2, 0]), 60)
    assert (rollups.count[0], rollups.bad[0], rollups.max[0]) == (1, 3, 1.0)
    nothing = roll_up(columns([math.nan], [0]), 60)
    assert math.isnan(nothing.mean[0])
    assert math.isnan(nothing.min[0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_a_roll_up_agrees_with_the_plain_formula(values: list[float]) -> None:
    rollups = roll_up(columns(values), 60)
    for row, start in enumerate(range(0, len(values), 6)):
        part = values[start : start + 6]
        assert rollups.mean[row] == pytest.approx(np.mean(part), abs=1e-6)
        assert rollups.std[row] == pytest.approx(np.std(part), abs=1e-5)


def test_roll_ups_come_back_exactly() -> None:
    rollups = roll_up(columns([1.5, math.nan, 7.25] * 10), 60)
    codec = Codec()
    again = unpack_rollups(codec, pack_rollups(codec, rollups), rollups.start_ns)
    for name in ("count", "bad", "min", "max", "mean", "std"):
        assert getattr(again, name).tobytes() == getattr(rollups, name).tobytes()


def noise(rng: np.random.Generator, second: int, rows: int = 2000) -> Batch:
    """Return a second of incompressible rows of four tags."""
    at_ns = START_NS + second * 10**9
    return batch_of(
        np.arange(rows, dtype=np.uint32) % 4 + 1,
        rng.normal(size=rows),
        source_time_ns=at_ns + np.arange(rows) * (10**9 // rows),
        receive_time_ns=at_ns,
    )


def size_of(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


async def test_the_file_stays_under_its_quota_and_every_loss_is_declared(
    opened: Opening, path: Path, event: MakeEvent
) -> None:
    rng = np.random.default_rng(2)
    async with opened(quota_bytes=QUOTA) as store:
        await store.register([Tag(parse_tag_id(f"P/{n}")) for n in range(4)])
        await store.append_event(event("early"))
        for second in range(150):
            store.append(noise(rng, second))
            await store.flush()
            await store.retain()
            assert size_of(path) <= QUOTA
        counters = store.counters()
        found = await store.history(1, 0, 2**62, points=10**6)
    assert counters["samples_stored"] == 300_000
    assert counters["samples_decimated"] > 100_000
    assert verify(path) == ()
    with open_reader(path) as reader:
        gaps = {gap.what: gap for gap in reader.gaps()}
        assert [each.name for each in reader.events()] == ["early"]
    assert gaps["raw"].count == counters["samples_decimated"]
    assert gaps["raw"].from_ns == START_NS
    assert found.source_time_ns[0] <= START_NS + 60 * 10**9, "roll-ups remain"
    assert counters["outbox_pending"] == 1, "the cloud was promised no raw samples"


async def test_waveforms_go_before_samples_and_texts_after_them(
    opened: Opening, path: Path, batch: MakeBatch
) -> None:
    rng = np.random.default_rng(2)
    async with opened(quota_bytes=QUOTA) as store:
        await store.register([Tag(parse_tag_id("P/0"))])
        store.append(batch(100))
        for number in range(80):
            points = rng.normal(size=4096).astype(np.float32)
            store.append(
                batch_of(
                    [],
                    [],
                    source_time_ns=0,
                    receive_time_ns=START_NS,
                    waveforms=(Waveform(1, START_NS + number, 1e4, points),),
                    texts=(Text(1, START_NS + number, "running"),),
                )
            )
            await store.flush()
            await store.retain()
            assert size_of(path) <= QUOTA
        counters = store.counters()
    with open_reader(path) as reader:
        kept = list(reader.waveforms(parse_tag_id("P/0")))
        (gap,) = reader.gaps()
    assert gap.what == "waveform"
    assert gap.count == 80 - len(kept) == counters["samples_dropped"]
    assert kept[-1].start_ns == START_NS + 79
    assert counters["samples_decimated"] == 0
    assert verify(path) == ()


async def test_when_nothing_else_is_left_the_outbox_gives_and_events_stay(
    opened: Opening, path: Path, event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(quota_bytes=QUOTA) as store:
        store.append(
            batch_of(
                [1],
                [1.0],
                source_time_ns=START_NS,
                receive_time_ns=START_NS,
                texts=(Text(1, START_NS, "running"),),
            )
        )
        store.enqueue(Stream.SNIPPET, [b"s" * 20_000] * 19, 7)
        await store.flush()
        for _ in range(6):
            await store.append_event(event("x" * 6_000))
        await store.retain()
        status = await store.outbox_status()
        counters = store.counters()
        for _ in range(16):
            await store.append_event(event("x" * 6_000))
            await store.retain()
    assert status[Stream.SNIPPET].declared_gaps > 0
    assert status[Stream.EVENT].pending == 6
    assert counters["samples_dropped"] == 1
    assert counters["samples_decimated"] == 1
    assert "with events alone" in caplog.text
    with open_reader(path) as reader:
        assert len(reader.events()) == 22
        assert {"raw", "rollup", "text", "snippet"} <= {
            gap.what for gap in reader.gaps()
        }


async def test_a_damaged_chunk_is_dropped_as_a_declared_loss(
    opened: Opening, path: Path
) -> None:
    rng = np.random.default_rng(2)
    async with opened(quota_bytes=QUOTA) as store:
        store.append(noise(rng, 0))
        await store.flush()
        await store.fold()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE chunk SET content = zeroblob(9) WHERE tag = 1")
    connection.close()
    assert any("damaged" in problem for problem in verify(path))
    async with opened(quota_bytes=QUOTA) as store:
        found = await store.history(1, 0, 2**62, points=10)
        for second in range(1, 40):
            store.append(noise(rng, second))
            await store.flush()
            await store.retain()
        counters = store.counters()
    assert found.damaged == 1
    assert counters["samples_dropped"] == 500
    assert verify(path) == ()
