"""What inference has learned of assets while it ran, kept for the next start.

One small file for each asset, with a digest: what is damaged, or of another form, is
not believed and begins anew. Past episodes are the asset's and outlive its models, as
they do in the running process; what has drifted is a model's.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from typing import TYPE_CHECKING

import msgspec

from appliance.inference.drift_memory import DriftMemory  # noqa: TC001 - msgspec reads
from appliance.inference.episodes import Episode  # noqa: TC001 - msgspec reads
from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Protocol

    from appliance.domain.ports import Clock
    from appliance.inference.drift import DriftWatch

    class Remembering(Protocol):
        """One who knows something worth keeping."""

        def memory(self) -> AssetMemory | None:
            """Return it; None: nothing is worth it yet."""
            ...


log = logging.getLogger(__name__)

SCHEMA = 1
KEEP_EACH_S = 300.0
"""A kill loses at most so much; a disk is written at most so often."""
FOLDER = "inference"
_MARK = b"wheeltapper memory\n"
_DIGEST_BYTES = hashlib.sha256().digest_size


class AssetMemory(msgspec.Struct, frozen=True):
    """Of one asset: past episodes, the one that stands, its last maintenance, drift."""

    schema: int
    asset: str
    episodes: tuple[Episode, ...] = ()
    standing: Episode | None = None
    maintained_ns: int | None = None
    drift: DriftMemory | None = None


def write_memory(memory: AssetMemory) -> bytes:
    """Return a memory as a file has it."""
    content = msgspec.msgpack.encode(memory)
    return _MARK + hashlib.sha256(content).digest() + content


def read_memory(content: bytes, asset: str) -> AssetMemory:
    """Read the memory of an asset.

    Raises:
        ValueError: It is damaged, of another form or asset; the message says which.
    """
    mark, digest, body = _parts(content)
    if mark != _MARK or hashlib.sha256(body).digest() != digest:
        raise ValueError("it is damaged")
    found = msgspec.msgpack.decode(body, type=AssetMemory)
    if (found.schema, found.asset) != (SCHEMA, asset):
        raise ValueError(f"it is of {found.asset!r}, in form {found.schema}")
    return found


def recall_drift(watch: DriftWatch, memory: AssetMemory | None) -> DriftWatch:
    """Let a watch go on where the same model was left; return it."""
    if memory is not None and memory.drift is not None:
        try:
            watch.recall(memory.drift)
        except ValueError as error:
            log.info("the drift memory of %s begins anew: %s", memory.asset, error)
    return watch


class Keeper:
    """Keeps the memories in a folder, each written at most every `KEEP_EACH_S`.

    A disk that refuses stops nothing: it is told once, and once when it is over.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._kept_s: dict[str, float] = {}
        self._written: dict[str, bytes] = {}
        self._lock = threading.Lock()  # a thread may still write when we stop
        self._refused = False

    def read(self, asset: str) -> AssetMemory | None:
        """Return what is known of an asset; None where it begins anew."""
        try:
            return read_memory(self._path(asset).read_bytes(), asset)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("what was known of %s begins anew: %s", asset, error)
            return None

    async def keep(self, asset: str, judge: Remembering) -> None:
        """Write what a judge knows, if it is time."""
        now_s = self._clock.now_s()
        if now_s - self._kept_s.setdefault(asset, now_s) < KEEP_EACH_S:
            return
        self._kept_s[asset] = now_s
        await asyncio.to_thread(self._write, asset, judge)

    def keep_all(self, judges: Mapping[str, Remembering]) -> None:
        """Write all that is known, at once."""
        for asset, judge in judges.items():
            self._write(asset, judge)

    def _write(self, asset: str, judge: Remembering) -> None:
        with self._lock:
            memory = judge.memory()
            if memory is None:
                return
            content = write_memory(memory)
            if self._written.get(asset) == content[: len(_MARK) + _DIGEST_BYTES]:
                return
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write_whole(self._path(asset), content)
            except OSError as error:
                self._complain(error)
                return
            self._written[asset] = content[: len(_MARK) + _DIGEST_BYTES]
            if self._refused:
                self._refused = False
                log.info("what is known of the assets is kept again")

    def _complain(self, error: OSError) -> None:
        if not self._refused:
            self._refused = True
            log.warning("what is known of the assets cannot be kept: %s", error)

    def _path(self, asset: str) -> Path:
        return self._folder / f"{asset}.memory"


def _parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    end = len(_MARK) + _DIGEST_BYTES
    return content[: len(_MARK)], content[len(_MARK) : end], content[end:]
