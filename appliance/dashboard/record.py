"""Writes a session file while the window is open."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING

from appliance.dashboard.session import MAGIC, End, Note, encode_note, what_of

if TYPE_CHECKING:
    from pathlib import Path

    from textual.message import Message

    from appliance.dashboard.model import Now
    from appliance.domain.ports import Clock

LARGEST_BYTES = 64 * 1024 * 1024
WAITING_MAX_BYTES = 8 * 1024 * 1024
EVERY_S = 1.0
_FULL = "the file is full"


class Recorder:
    """Takes notes at once; a worker brings them to the disk, so nobody waits for it.

    The file is new, readable by its owner alone, and never longer than `largest_bytes`.
    What a slow disk leaves behind (more than `WAITING_MAX_BYTES`) is lost, and counted.
    `trouble` says why nothing is written any more.
    """

    def __init__(self, path: Path, *, largest_bytes: int = LARGEST_BYTES) -> None:
        """Make the file.

        Raises:
            OSError: It is there already, or cannot be made.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._file.write(MAGIC)
        self._left_bytes = largest_bytes - len(MAGIC)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.lost = 0
        self.trouble = ""

    def take(self, message: Message, now: Now) -> None:
        """Note a message, if it is one that matters."""
        if self.trouble or (what := what_of(message)) is None:
            return
        frame = encode_note(Note(now.s, now.utc_ns, what))
        if self._waiting_bytes + len(frame) > WAITING_MAX_BYTES:
            self.lost += 1
            return
        last = encode_note(Note(now.s, now.utc_ns, End(_FULL)))
        if len(frame) + len(last) > self._left_bytes:
            self.trouble, frame = _FULL, last
        self._left_bytes -= len(frame)
        self._waiting_bytes += len(frame)
        self._waiting.append(frame)

    async def write(self, clock: Clock) -> None:
        """Bring notes to the disk every second, until cancelled."""
        while True:
            await clock.sleep(EVERY_S)
            await asyncio.to_thread(self._flush, self._drawn())

    def close(self) -> None:
        """Write what waits, and close."""
        self._flush(self._drawn())
        self._file.close()

    def _drawn(self) -> bytes:
        frames = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return frames

    def _flush(self, frames: bytes) -> None:
        try:
            self._file.write(frames)
            self._file.flush()
        except OSError as error:
            self.trouble = str(error)
