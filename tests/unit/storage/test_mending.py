"""A running store meets damage: it goes on with a fresh file, and salvages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from operator import methodcaller
from typing import TYPE_CHECKING, TypeAlias

import pytest

from appliance.domain.tag import Tag, TagId
from appliance.storage.connection import StoreUnavailableError
from appliance.storage.quarantine import wrecks
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.wire.outbox import Stream, SummaryRow, encode_row

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

START_NS = 1_700_000_000 * 10**9
TAGS = [Tag(TagId(f"P-101/t{n}"), "mm/s", 0.0, 10.0, "") for n in range(50)]
ROUND = 40
NUMBERS_MAX = 100_000
BOTH = """
UPDATE outbox_summary SET content = x'00' WHERE seq < 30 OR seq = 60;
UPDATE outbox_summary SET seq = 6655 WHERE seq = 60
"""


async def fill(
    store: BufferStore, batch: MakeBatch, event: MakeEvent, seconds: range
) -> None:
    for second in seconds:
        store.append(batch(2000, tags=50, start_ns=START_NS + second * 4 * 10**9))
        row = SummaryRow("P-101/x", second, 1.0, 1, 0, 1.0, 1.0, 1.0, 0.0, 1.0)
        store.enqueue(Stream.SUMMARY, [encode_row(row)] * 3, second)
        await store.append_event(event(f"e{second}"))
        await store.flush()
        if second % 10 == 9:
            await store.fold()


def conserved(counters: dict[str, int]) -> bool:
    return counters["samples_read"] == (
        counters["samples_stored"]
        + counters["samples_rejected"]
        + counters["samples_in_flight"]
    ) and counters["outbox_enqueued"] == (
        counters["outbox_delivered"]
        + counters["outbox_pending"]
        + counters["outbox_declared_gaps"]
    )


FLIP = """
import os, random, sys
path, seed, pages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)
with open(path, "r+b") as file:
    size = os.fstat(file.fileno()).st_size
    for _ in range(pages):
        file.seek(dice.randrange(max(1, size // 4096)) * 4096)
        file.write(dice.randbytes(4096))
    file.flush()
    os.fsync(file.fileno())
"""


def flip(path: Path, seed: int, pages: int) -> None:
    """Spoil whole pages of the live file, from outside the process.

    Closing a file of SQLite's inside its process would let go of its locks.
    """
    words = (sys.executable, "-I", "-c", FLIP, str(path), str(seed), str(pages))
    subprocess.run(words, check=True, timeout=30)


async def look_round(store: BufferStore) -> None:
    for _ in range(ROUND):
        try:
            await store.look()
            await store.flush()
        except StoreUnavailableError:
            continue


@pytest.mark.parametrize("seed", range(12))
async def test_spoilt_pages_of_a_live_file_lose_nothing_unsaid(
    *, opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path, seed: int
) -> None:
    async with opened(quota_bytes=8_000_000) as store:
        numbers = await store.register(TAGS)
        await fill(store, batch, event, range(25))
        await store.outbox_ack(store.epoch, Stream.SUMMARY, 7)
        epoch, before = store.epoch, store.counters()
        flip(path, seed, pages=3)
        store.append(batch(2000, tags=50, start_ns=START_NS + 100 * 10**9))
        await look_round(store)
        await store.salvage()
        await store.flush()
        after = store.counters()
        assert wrecks(path) or verify(path) == (), "found, or of no use any more"
        assert store.epoch == epoch
        assert await store.register(TAGS) == numbers
        assert conserved(after)
        assert after["samples_stored"] == before["samples_stored"] + 2000
        assert store.counters()["samples_in_flight"] == 0
        await fill(store, batch, event, range(26, 30))
        found = await store.history(1, START_NS + 100 * 10**9, 2**62, points=10**6)
        assert len(found.value) == 5 * 40, "what came since the damage is whole"
    assert verify(path) == ()
    with open_reader(path) as reader:
        counters, gaps = reader.counters(), reader.gaps()
        held = sum(len(reader.columns(tag.id)) for tag in TAGS)
    lost = counters.get("samples_dropped", 0)
    assert held + lost == 30 * 2000
    assert sum(gap.count for gap in gaps if gap.what == "raw") == lost


async def test_a_salvage_brings_back_all_of_a_file_that_is_only_suspected(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> None:
    async with opened() as store:
        await store.register(TAGS)
        await fill(store, batch, event, range(25))
        await store.outbox_ack(store.epoch, Stream.SUMMARY, 7)
        before = store.counters()
        await store._disk.condemn("a test says so", 0)
        assert await store.outbox_read(Stream.SUMMARY, 0, 10) == [], "held back"
        with pytest.raises(StoreUnavailableError):
            await store.outbox_ack(store.epoch, Stream.SUMMARY, 9)
        await fill(store, batch, event, range(25, 27))
        await store.salvage()
        rows = await store.outbox_read(Stream.SUMMARY, 0, 1000)
        assert [row[0] for row in rows] == list(range(8, 82)), "in order, no hole"
        after = store.counters()
        assert after["samples_dropped"] == 0
        assert after["outbox_declared_gaps"] == before["outbox_declared_gaps"] == 0
        assert after["samples_stored"] == 27 * 2000
        news = [each.name for each in store.take_news()]
        assert news == ["buffer_damaged", "buffer_salvaged"]
        assert store.take_news() == []
        assert store.diagnostics == ()
    assert verify(path) == ()
    with open_reader(path) as reader:
        assert len(reader.events()) == 27
        assert reader.gaps() == ()
        assert sum(len(reader.columns(tag.id)) for tag in TAGS) == 27 * 2000


async def numbers_after_noise(
    store: BufferStore, batch: MakeBatch, event: MakeEvent, path: Path, noise: str
) -> list[int]:
    """Spoil row numbers of the summaries, salvage, and go on; return what is told."""
    await store.register(TAGS)
    await fill(store, batch, event, range(20))
    await store.outbox_ack(store.epoch, Stream.SUMMARY, 7)
    for each in noise.split(";"):
        await store._disk.change(methodcaller("execute", each))
    await store._disk.condemn("a test says so", 0)
    await fill(store, batch, event, range(20, 22))
    await store.salvage()
    await store.flush()
    rows = await store.outbox_read(Stream.SUMMARY, 0, 1)
    assert rows
    with open_reader(path) as reader:
        gaps = [gap for gap in reader.gaps() if gap.what == Stream.SUMMARY]
        assert all(gap.through < NUMBERS_MAX for gap in gaps)
        told = {n for gap in gaps for n in range(gap.first, gap.through + 1)}
        sql = "SELECT seq FROM outbox_summary"
        told |= {row[0] for row in reader._connection.execute(sql)}
    return sorted(told)


@pytest.mark.parametrize(
    "noise",
    [
        "UPDATE outbox_summary SET seq = 6655, content = x'00' WHERE seq = 60",
        "UPDATE outbox_summary SET seq = seq + 6000, content = x'00' WHERE seq > 10",
        "UPDATE outbox_summary SET seq = seq + 6000 WHERE seq > 50",
        "UPDATE outbox_summary SET seq = seq + 6000, content = x'00'",
        BOTH,
        "DELETE FROM outbox_summary WHERE seq < 30",
        "UPDATE sqlite_sequence SET seq = 9000 WHERE name = 'outbox_summary'",
        "UPDATE sqlite_sequence SET seq = 4 WHERE name = 'outbox_summary'",
        "DELETE FROM sqlite_sequence",
    ],
)
async def test_no_number_of_a_stream_is_left_out_where_noise_stands_for_one(
    *, opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path, noise: str
) -> None:
    async with opened() as store:
        told = await numbers_after_noise(store, batch, event, path, noise)
        assert conserved(store.counters())
    assert set(range(8, told[-1] + 1)) <= set(told), "or the cloud would wait"
    assert verify(path) == ()


async def test_a_number_out_of_all_bounds_is_not_gone_on_from(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> None:
    noise = "UPDATE outbox_summary SET seq = seq << 55, content = x'00' WHERE seq = 60"
    async with opened() as store:
        told = await numbers_after_noise(store, batch, event, path, noise)
    assert told == list(range(8, 67))
    assert verify(path) == ()


async def test_a_salvage_that_is_cut_short_goes_on_at_the_next_start(
    opened: Opening, batch: MakeBatch, event: MakeEvent, path: Path
) -> None:
    async with opened() as store:
        await store.register(TAGS)
        await fill(store, batch, event, range(25))
        await store._disk.condemn("a test says so", 0)
        (wreck,) = wrecks(path)
        assert any("not salvaged to its end" in each for each in verify(path))
    async with opened() as store:
        assert store.diagnostics, "said while it lasts"
        await store.salvage()
    assert verify(path) == ()
    assert wreck.exists()
    with open_reader(path) as reader:
        assert sum(len(reader.columns(tag.id)) for tag in TAGS) == 25 * 2000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"this is a letter" * 4000),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: os.truncate(path, 1000),
    ],
    ids=["empty", "garbage", "zeros", "half", "stump"],
)
async def test_a_file_that_is_damaged_at_the_start_is_set_aside(
    *,
    opened: Opening,
    batch: MakeBatch,
    event: MakeEvent,
    path: Path,
    spoil: Callable[[Path], object],
) -> None:
    async with opened() as store:
        await store.register(TAGS)
        await fill(store, batch, event, range(25))
    spoil(path)
    kept = path.read_bytes()
    async with opened() as store:
        (wreck,) = wrecks(path)
        assert wreck.read_bytes() == kept
        await store.register(TAGS)
        await fill(store, batch, event, range(25, 27))
        await store.salvage()
        assert conserved(store.counters())
        assert store.take_news()[0].name == "buffer_damaged"
    assert verify(path) == ()
    with open_reader(path) as reader:
        assert any(gap.reason.startswith("damaged") for gap in reader.gaps())


async def test_wrecks_are_bounded_and_their_going_is_told(
    opened: Opening, path: Path
) -> None:
    async with opened() as store:
        for number in range(6):
            await store._disk.condemn("a test says so", number)
            await store.salvage()
        names = [each.name for each in store.take_news()]
    assert len(wrecks(path)) == 4
    assert names.count("buffer_wreck_removed") == 2


async def test_a_power_failure_while_the_file_is_replaced_loses_nothing(
    *,
    opened: Opening,
    batch: MakeBatch,
    event: MakeEvent,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = path.parent.parent / f"{path.parent.name}-moments"
    rename = type(path).replace

    def replace(source: Path, target: Path) -> Path:
        for when in ("before", "after"):
            if when == "after":
                rename(source, target)
            number = len(list(moments.iterdir()))
            shutil.copytree(path.parent, moments / str(number))
        return target

    moments.mkdir()
    async with opened() as store:
        await store.register(TAGS)
        await fill(store, batch, event, range(12))
        await store.outbox_ack(store.epoch, Stream.SUMMARY, 7)
        epoch = store.epoch
        with monkeypatch.context() as patch:
            patch.setattr(type(path), "replace", replace)
            await store._disk.condemn("a test says so", 0)
    taken = sorted(moments.iterdir())
    assert len(taken) >= 4
    for moment in taken:
        shutil.rmtree(path.parent)
        shutil.copytree(moment, path.parent)
        async with opened() as store:
            assert store.epoch == epoch
            await store.salvage()
            rows = await store.outbox_read(Stream.SUMMARY, 0, 1000)
            assert [row[0] for row in rows] == list(range(8, 37))
        assert verify(path) == ()
        with open_reader(path) as reader:
            assert sum(len(reader.columns(tag.id)) for tag in TAGS) == 12 * 2000
            assert len(reader.events()) == 12


async def test_a_disk_that_refuses_the_fresh_file_is_asked_again(
    *,
    opened: Opening,
    batch: MakeBatch,
    event: MakeEvent,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_path: Path, _wreck: Path) -> None:
        raise OSError(28, "No space left on device")

    async with opened() as store:
        await store.register(TAGS)
        await fill(store, batch, event, range(3))
        with monkeypatch.context() as patch:
            patch.setattr("appliance.storage.fresh.set_aside", refuse)
            with pytest.raises(StoreUnavailableError, match="No space"):
                await store._disk.condemn("a test says so", 0)
            store.append(batch(100, start_ns=START_NS + 10**12))
            with pytest.raises(StoreUnavailableError, match="No space"):
                await store.flush()
            assert store.diagnostics[0].key == "disk"
            assert "100 samples" in store.diagnostics[0].message
        await store.flush()
        assert store.healthy
        await store.salvage()
        assert store.counters()["samples_stored"] == 6100
    assert verify(path) == ()
