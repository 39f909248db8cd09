"""The journal: durable before it is called committed, and never in the scan's way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from appliance.safety.journal import Entry, Journal, encode
from appliance.safety.ring import CAPACITY, PAYLOAD_MAX_BYTES, SLOT_BYTES, Ring
from appliance.wire.messages import EventMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.unit.safety.bench import FakeClock


def event(name: str = "first_out", **changes: Any) -> EventMessage:  # noqa: ANN401
    return EventMessage("trip", name, 1, "stopped", **changes)


@asynccontextmanager
async def running(path: Path, clock: FakeClock) -> AsyncIterator[Journal]:
    journal = Journal(path, clock=clock)
    await journal.open()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(journal.run(), name="journal")
        await asyncio.sleep(0)
        try:
            yield journal
        finally:
            task.cancel()


async def committed(journal: Journal, seq: int) -> None:
    assert await journal.wait_committed(seq, within_s=10)


async def test_an_event_is_told_as_committed_with_its_number(
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    told: list[EventMessage] = []
    async with running(tmp_path / "j", clock) as journal:
        journal.on_committed = told.append
        assert journal.append(event(), {"motor": ("high",)}) == 1
        assert journal.since(0) == ()
        await committed(journal, 1)
        assert journal.since(0) == tuple(told)
        assert journal.since(1) == ()
    assert [(each.seq, each.pending) for each in told] == [(1, False)]


@pytest.mark.requirement("A4")
async def test_what_was_latched_comes_back(tmp_path: Path, clock: FakeClock) -> None:
    async with running(tmp_path / "j", clock) as journal:
        epoch = journal.epoch
        journal.append(event("a"), {})
        seq = journal.append(event("b"), {"motor": ("high", "low")})
        await committed(journal, seq)
    async with running(tmp_path / "j", clock) as again:
        assert again.causes == {"motor": ("high", "low")}
        assert again.epoch == epoch
        assert [each.name for each in again.since(0)] == ["a", "b"]
        assert again.append(event("c"), {}) == 3


async def test_what_waits_at_an_orderly_end_is_written(
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    async with running(tmp_path / "j", clock) as journal:
        journal.append(event(), {"motor": ("high",)})
    async with running(tmp_path / "j", clock) as again:
        assert again.causes == {"motor": ("high",)}


@pytest.mark.requirement("A4")
async def test_kill_at_every_byte_of_a_trip_still_says_what_was_latched(
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    """After a torn write: the state before it, and the next life is tripped anyway."""
    path = tmp_path / "j"
    async with running(path, clock) as journal:
        journal.append(event("first_out"), {"motor": ("high",)})
        journal.append(event("trip"), {"motor": ("high", "low")})
    content = path.read_bytes()
    start = 2 * SLOT_BYTES
    length = len(content[start : start + SLOT_BYTES].rstrip(b"\0"))
    assert length > 60
    for torn in range(length):
        path.write_bytes(content[: start + torn] + bytes(len(content) - start - torn))
        journal = Journal(path, clock=clock)
        await journal.open()
        assert journal.causes == {"motor": ("high",)}
        assert journal.committed_seq == 1
        await cancelled(journal)


async def cancelled(journal: Journal) -> None:
    task = asyncio.get_running_loop().create_task(journal.run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class BrokenDisk:
    """Refuses while `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self._write, self._open = Ring.write, Ring.open
        disk = self

        def write(ring: Ring, records: Any) -> None:  # noqa: ANN401
            disk.check()
            disk._write(ring, records)

        def opened(path: Path) -> Ring:
            disk.check()
            return disk._open(path)

        monkeypatch.setattr(Ring, "write", write)
        monkeypatch.setattr(Ring, "open", opened)

    def check(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")


async def test_a_full_disk_keeps_events_in_memory_and_says_so(
    tmp_path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = BrokenDisk(monkeypatch)
    troubles: list[str] = []
    async with running(tmp_path / "j", clock) as journal:
        assert "No space" in journal.trouble
        journal.on_trouble = troubles.append
        seq = journal.append(event(), {"motor": ("high",)})
        assert not await journal.wait_committed(seq, within_s=0)
        assert journal.waiting == 1
        disk.full = False
        await committed(journal, seq)
        assert journal.trouble == ""
        disk.full = True
        journal.append(event(), {})
        async with asyncio.timeout(60):
            while not troubles:
                await asyncio.sleep(0)
        assert journal.epoch
        disk.full = False
        await committed(journal, 2)
    disk.full = False
    async with running(tmp_path / "j", clock) as again:
        assert [each.seq for each in again.since(0)] == [1, 2]


async def test_a_disk_that_stays_full_loses_nothing_else_at_the_end(
    tmp_path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    BrokenDisk(monkeypatch)
    async with running(tmp_path / "j", clock) as journal:
        for _ in range(CAPACITY + 10):
            journal.append(event(), {})
        assert journal.waiting == CAPACITY
    assert "No space" in journal.trouble


async def test_a_write_begun_before_the_end_does_not_touch_a_closed_file(
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    async with running(tmp_path / "j", clock) as journal:
        journal.append(event(), {})
        await committed(journal, 1)
    journal._write(())


async def test_a_record_of_another_version_is_passed_over(
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    ring = Ring.open(tmp_path / "j")
    ring.write([(1, b"\x93not ours")])
    ring.close()
    async with running(tmp_path / "j", clock) as journal:
        assert journal.causes == {}
        assert journal.last_seq == 0


async def test_a_disk_that_refuses_is_tried_again_once_a_second_and_told_once(
    tmp_path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    disk = BrokenDisk(monkeypatch)
    disk.full = False
    naps: list[float] = []
    async with running(tmp_path / "j", clock) as journal:
        troubles: list[str] = []
        journal.on_trouble = troubles.append
        nap = clock.sleep

        async def noted(seconds: float) -> None:
            naps.append(seconds)
            disk.full = len(naps) < 3
            await nap(seconds)

        monkeypatch.setattr(clock, "sleep", noted)
        disk.full = True
        await committed(journal, journal.append(event(), {}))
        assert troubles == ["j: No space left on device"]
    assert naps == [1.0, 1.0, 1.0]
    assert [each.getMessage() for each in caplog.records] == [
        "the journal is kept in memory only: j: No space left on device",
        "the journal is written again",
    ]


async def test_a_disk_that_is_full_at_the_end_is_told(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = BrokenDisk(monkeypatch)
    disk.full = False
    troubles: list[str] = []
    async with running(tmp_path / "j", clock) as journal:
        journal.on_trouble = troubles.append
        await committed(journal, journal.append(event(), {}))
        disk.full = True
        journal.append(event(), {})
    assert troubles == ["j: No space left on device"]


async def test_a_life_whose_disk_refused_at_the_start_leaves_no_older_one_in_the_file(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers begin again: what an older life wrote would be taken for news."""
    async with running(tmp_path / "j", clock) as journal:
        for name in ("a", "b", "c"):
            seq = journal.append(event(name), {})
        await committed(journal, seq)
    disk = BrokenDisk(monkeypatch)
    async with running(tmp_path / "j", clock) as journal:
        disk.full = False
        epoch = journal.epoch
        await committed(journal, journal.append(event("d"), {}))
    async with running(tmp_path / "j", clock) as again:
        assert [each.name for each in again.since(0)] == ["d"]
        assert again.epoch == epoch


async def test_its_end_leaves_nothing_open(tmp_path: Path, clock: FakeClock) -> None:
    async with running(tmp_path / "j", clock) as journal:
        ring = journal._ring
        assert ring is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        ring.write([])


def test_what_is_kept_of_a_long_entry_is_the_first_out_and_a_short_message() -> None:
    causes = {"motor": ("high", *(f"{n}" * 60 for n in range(9)))}
    long = EventMessage("trip", "first_out", 1, "m" * 5000, details={"why": "w"})
    kept = msgspec.msgpack.decode(encode(Entry(long, causes)), type=Entry)
    assert kept.causes == {"motor": ("high",)}
    assert (kept.event.message, kept.event.details) == ("m" * 200, {})
    with pytest.raises(AttributeError):
        kept.causes = {}  # type: ignore[misc]  # that it is refused is the point


def test_an_entry_that_just_fits_is_kept_whole() -> None:
    spare = PAYLOAD_MAX_BYTES - len(msgspec.msgpack.encode(Entry(long_event(3000))))
    whole = Entry(long_event(3000 + spare), {})
    assert len(encode(whole)) == PAYLOAD_MAX_BYTES
    assert msgspec.msgpack.decode(encode(whole), type=Entry) == whole
    shortened = encode(Entry(long_event(3001 + spare)))
    assert len(shortened) < PAYLOAD_MAX_BYTES


def long_event(length: int) -> EventMessage:
    return EventMessage("trip", "first_out", 1, "m" * length)


@pytest.mark.parametrize("elements", [1, 20, 60])
def test_a_long_entry_is_shortened_until_it_fits(elements: int) -> None:
    causes: dict[str, tuple[str, ...]] = {
        f"element {n} {'x' * 50}": ("c" * 60, "d" * 60) for n in range(elements)
    }
    long = event(details={"why": "w" * 5000})
    body = encode(Entry(long, causes))
    assert len(body) <= PAYLOAD_MAX_BYTES
    short = encode(Entry(event(), {"motor": ("high",)}))
    assert b"high" in short
