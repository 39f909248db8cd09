"""A torn write is found and never believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.safety.ring import (
    CAPACITY,
    FILE_BYTES,
    PAYLOAD_MAX_BYTES,
    SLOT_BYTES,
    Ring,
    encode_slot,
    slot_of,
)

Records = list[tuple[int, bytes]]


def record(seq: int) -> tuple[int, bytes]:
    return seq, f"record {seq} ".encode() * 4


def open_files() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def written(path: Path, records: Records) -> bytes:
    ring = Ring.open(path)
    ring.write(records)
    ring.close()
    return path.read_bytes()


def read(path: Path) -> Records:
    ring = Ring.open(path)
    ring.close()
    return list(ring.records)


def test_a_new_file_takes_all_its_disk_at_once(tmp_path: Path) -> None:
    ring = Ring.open(tmp_path / "j")
    ring.close()
    status = (tmp_path / "j").stat()
    assert status.st_size == FILE_BYTES
    assert status.st_blocks * 512 >= FILE_BYTES
    assert ring.records == ()


def test_records_and_epoch_come_back(tmp_path: Path) -> None:
    ring = Ring.open(tmp_path / "j")
    ring.write([record(1), record(2)])
    ring.close()
    again = Ring.open(tmp_path / "j")
    again.close()
    assert again.epoch == ring.epoch
    assert again.records == (record(1), record(2))


def test_the_newest_stay_when_the_ring_is_full(tmp_path: Path) -> None:
    every = [record(seq) for seq in range(1, 2 * CAPACITY + 10)]
    written(tmp_path / "j", every)
    assert read(tmp_path / "j") == every[-CAPACITY:]


@pytest.mark.parametrize("last", [3, CAPACITY + 3], ids=["empty-slot", "used-slot"])
def test_a_write_torn_at_any_byte_leaves_what_was_before(
    tmp_path: Path, last: int
) -> None:
    """Kill -9 or power failure: the slot holds the first bytes of the new record."""
    path = tmp_path / "j"
    before = [record(seq) for seq in range(1, last)]
    content = written(path, before)
    slot = encode_slot(*record(last))
    start = slot_of(last) * SLOT_BYTES
    with path.open("r+b") as file:
        for torn in range(1, len(slot)):
            file.seek(start)
            file.write(slot[:torn] + content[start + torn : start + SLOT_BYTES])
            file.flush()
            found = read(path)
            kept = before[-CAPACITY:]
            assert found in (kept, kept[1:])
        file.seek(start)
        file.write(slot)
    assert read(path) == [*before, record(last)][-CAPACITY:]


def test_a_file_cut_at_any_byte_of_a_record_gives_the_ones_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "j"
    content = written(path, [record(1), record(2), record(3)])
    start = slot_of(3) * SLOT_BYTES
    for cut in range(len(encode_slot(*record(3)))):
        path.write_bytes(content[: start + cut])
        assert read(path) == [record(1), record(2)]


def test_a_damaged_epoch_is_replaced_and_the_records_stay(tmp_path: Path) -> None:
    path = tmp_path / "j"
    content = written(path, [record(1)])
    path.write_bytes(b"\0" * 40 + content[40:])
    assert read(path) == [record(1)]
    assert read(path) == [record(1)]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=3 * SLOT_BYTES))
def test_any_bytes_can_be_opened(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    assert read(path) == []


def test_a_record_at_the_wrong_place_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "j"
    content = bytearray(written(path, [record(1)]))
    first, second = SLOT_BYTES, 2 * SLOT_BYTES
    content[second : second + SLOT_BYTES] = content[first:second]
    path.write_bytes(content)
    assert read(path) == [record(1)]


def test_a_record_longer_than_its_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_slot(1, b"x" * (PAYLOAD_MAX_BYTES + 1))


def test_the_file_is_what_every_version_reads(tmp_path: Path) -> None:
    """One of another version must still say what was latched."""
    assert (SLOT_BYTES, CAPACITY, FILE_BYTES) == (4096, 255, 1024 * 1024)
    assert PAYLOAD_MAX_BYTES == 4076
    assert encode_slot(258, b"x") == bytes.fromhex(
        "57544a31 01000000 0201000000000000 b8c58b5a 78"
    )
    assert [slot_of(seq) for seq in (0, 1, 255, 256, 511)] == [0, 1, 255, 1, 1]
    before = os.umask(0)
    try:
        written(tmp_path / "j", [record(1)])
    finally:
        os.umask(before)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o640


def test_what_is_written_is_durable_before_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    write, sync = os.pwrite, os.fdatasync
    ring = Ring.open(tmp_path / "j")

    def noted_write(descriptor: int, slot: bytes, offset: int) -> int:
        done.append("write")
        return write(descriptor, slot, offset)

    def noted_sync(descriptor: int) -> None:
        done.append("sync")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", noted_write)
        patch.setattr(os, "fdatasync", noted_sync)
        ring.write([record(1), record(2)])
    ring.close()
    assert done == ["write", "write", "sync"]


def test_a_record_may_be_empty_or_fill_its_slot(tmp_path: Path) -> None:
    path = tmp_path / "j"
    full = b"x" * PAYLOAD_MAX_BYTES
    assert len(encode_slot(1, full)) == SLOT_BYTES
    content = written(path, [(1, full), (2, b"")])
    path.write_bytes(content[: 2 * SLOT_BYTES + len(encode_slot(2, b""))])
    assert read(path) == [(1, full), (2, b"")]


def test_beginning_again_forgets_everything(tmp_path: Path) -> None:
    ring = Ring.open(tmp_path / "j")
    ring.write([record(1)])
    ring.begin_again("other")
    ring.close()
    again = Ring.open(tmp_path / "j")
    again.close()
    assert (again.epoch, again.records) == ("other", ())
    assert (ring.epoch, ring.records) == ("other", ())
    assert (tmp_path / "j").stat().st_size == FILE_BYTES


def test_a_short_write_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring.open(tmp_path / "j")
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", lambda *_: 3)
        with pytest.raises(OSError, match="only 3 bytes"):
            ring.write([record(1)])
    ring.close()


def test_a_disk_without_room_is_an_error_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, os.strerror(28))

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full)
        with pytest.raises(OSError, match="No space"):
            Ring.open(tmp_path / "j")
    assert open_files() == before
