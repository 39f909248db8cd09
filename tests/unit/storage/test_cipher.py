"""Encryption at rest: nothing in the clear; no key is answered by a new file."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from appliance.config.model import StorageSettings
from appliance.domain.tag import Tag, TagId
from appliance.storage import cipher
from appliance.storage.cipher import KEY_VARIABLE, load_key, note_of
from appliance.storage.connection import StoreOpenError
from appliance.storage.encryption import encrypt
from appliance.storage.quarantine import wrecks
from appliance.storage.reader import open_reader
from appliance.storage.repair import salvage, verify
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.storage.store import BufferStore

pytest.importorskip("sqlcipher3")

NAME = "SECRET-PUMP/vibration_rms"
TAGS = [Tag(TagId(f"{NAME}{n}"), "mm/s", 0.0, 10.0, "") for n in range(50)]
NOW_NS = 1_800_000_000 * 10**9


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    place = tmp_path / "buffer.key"
    place.write_text("5a" * 32 + "\n")
    return place


@pytest.fixture
def other_key(tmp_path: Path) -> Path:
    place = tmp_path / "other.key"
    place.write_text("c3" * 32)
    return place


@pytest.fixture
def opening(
    path: Path, clock: Clock
) -> Callable[..., AbstractAsyncContextManager[BufferStore]]:
    def open_it(key: Path | None) -> AbstractAsyncContextManager[BufferStore]:
        settings = StorageSettings(key_file=None if key is None else str(key))
        return open_store(path, settings, clock)

    return open_it


@pytest.fixture
def fill(
    batch: Callable[..., Batch], event: Callable[[str], Event]
) -> Callable[[BufferStore], Awaitable[None]]:
    async def work(store: BufferStore) -> None:
        await store.register(TAGS)
        for second in range(6):
            start_ns = NOW_NS + second * 4 * 10**9
            store.append(batch(2000, tags=50, start_ns=start_ns))
            await store.append_event(event("SECRET-EVENT"))
            await store.flush()
            if second == 3:
                await store.fold()

    return work


async def test_an_encrypted_buffer_tells_nothing_without_its_key(
    opening: Callable[..., AbstractAsyncContextManager[BufferStore]],
    fill: Callable[[BufferStore], Awaitable[None]],
    path: Path,
    key_file: Path,
) -> None:
    async with opening(key_file) as store:
        await fill(store)
        files = [path, path.with_name(f"{path.name}-wal")]
        seen = b"".join(each.read_bytes() for each in files)
        assert files[1].stat().st_size > 0
        found = await store.history(1, 0, 2**62, points=10**6)
        assert len(found.value) == 6 * 40
    assert len(seen) > 50_000
    for clear in (b"SECRET", b"vibration", b"mm/s", b"SQLite format", b"CREATE"):
        assert clear not in seen
    assert verify(path) == ()
    with open_reader(path) as reader:
        assert len(reader.columns(TAGS[0].id)) == 6 * 40
    assert "5a5a" not in note_of(path).read_text()


async def test_no_key_and_a_wrong_key_change_nothing(
    *,
    opening: Callable[..., AbstractAsyncContextManager[BufferStore]],
    fill: Callable[[BufferStore], Awaitable[None]],
    path: Path,
    key_file: Path,
    other_key: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opening(key_file) as store:
        await fill(store)
    kept = path.read_bytes()
    for key, words in (
        (None, "is encrypted; name its key"),
        (other_key, "is not its key"),
        (path.with_name("none"), "No such file"),
    ):
        with pytest.raises(StoreOpenError, match=words):
            async with opening(key):
                pass
    note = note_of(path)
    note.unlink()
    with pytest.raises(StoreOpenError, match="is not its key, or it is damaged"):
        async with opening(other_key):
            pass
    assert not note.exists()
    assert path.read_bytes() == kept
    assert wrecks(path) == []
    async with opening(key_file) as store:
        assert store.counters()["samples_stored"] == 12_000
    monkeypatch.setenv(KEY_VARIABLE, str(other_key))
    with pytest.raises(StoreOpenError, match="is not its key"):
        verify(path)


async def test_a_plain_buffer_becomes_encrypted_and_its_key_can_change(
    *,
    opening: Callable[..., AbstractAsyncContextManager[BufferStore]],
    fill: Callable[[BufferStore], Awaitable[None]],
    path: Path,
    key_file: Path,
    other_key: Path,
) -> None:
    async with opening(None) as store:
        await fill(store)
        epoch, counters = store.epoch, store.counters()
        with pytest.raises(StoreOpenError, match="another process"):
            encrypt(path, str(key_file), now_ns=NOW_NS)
    with pytest.raises(StoreOpenError, match="buffer encrypt"):
        async with opening(key_file):
            pass
    before = encrypt(path, str(key_file), now_ns=NOW_NS)
    assert b"SECRET" in before.read_bytes()
    assert b"SECRET" not in path.read_bytes()
    with pytest.raises(StoreOpenError, match="with this key already"):
        encrypt(path, str(key_file), now_ns=NOW_NS)
    encrypt(path, str(other_key), now_ns=NOW_NS)
    assert verify(path) == ()
    with pytest.raises(StoreOpenError, match="is not its key"):
        async with opening(key_file):
            pass
    async with opening(other_key) as store:
        assert (store.epoch, store.counters()) == (epoch, counters)


async def test_a_change_of_keys_that_is_cut_short_opens_with_the_key_it_has(
    *,
    opening: Callable[..., AbstractAsyncContextManager[BufferStore]],
    fill: Callable[[BufferStore], Awaitable[None]],
    path: Path,
    key_file: Path,
    other_key: Path,
) -> None:
    async with opening(key_file) as store:
        await fill(store)
    old, new = load_key(str(key_file)), load_key(str(other_key))
    cipher.write_note(path, new, old)  # the power failed before the rename
    with pytest.raises(StoreOpenError, match="nothing was changed"):
        async with opening(other_key):
            pass
    async with opening(key_file) as store:
        assert store.counters()["samples_stored"] == 12_000


async def test_a_damaged_encrypted_buffer_is_salvaged(
    opening: Callable[..., AbstractAsyncContextManager[BufferStore]],
    fill: Callable[[BufferStore], Awaitable[None]],
    path: Path,
    key_file: Path,
) -> None:
    async with opening(key_file) as store:
        await fill(store)
    content = bytearray(path.read_bytes())
    at = len(content) * 2 // 3 // 4096 * 4096
    content[at : at + 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(content)
    done = salvage(path, now_ns=NOW_NS)
    assert b"SECRET" not in path.read_bytes()
    assert verify(path) == ()
    with open_reader(path) as reader:
        counters = reader.counters()
    assert counters["samples_stored"] == 12_000
    assert counters.get("samples_dropped", 0) < 12_000
    assert done.quarantined.exists()


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "ab" * 31])
def test_what_is_no_key_is_refused_with_the_way_to_make_one(
    tmp_path: Path, content: str
) -> None:
    place = tmp_path / "key"
    place.write_text(content)
    with pytest.raises(StoreOpenError, match="openssl rand"):
        load_key(str(place))


def test_a_key_is_not_shown_by_accident(key_file: Path) -> None:
    assert "5a5a" not in repr(load_key(str(key_file)))
