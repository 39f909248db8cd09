"""Logs off the scan's thread: a terminal or journald that hangs holds up no stop."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LINES_WAITING = 1000
"""Beyond this the oldest are lost, and counted."""
_PATIENCE_S = 1.0


class OffThread(logging.Handler):
    """Gives records to handlers on a thread of its own; `emit` never waits.

    `settle` is called first on that thread.
    """

    def __init__(
        self, targets: Sequence[logging.Handler], settle: Callable[[], None]
    ) -> None:
        super().__init__()
        self._settle = settle
        self.lost = 0
        self._targets = tuple(targets)
        self._waiting: deque[logging.LogRecord] = deque(maxlen=LINES_WAITING)
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(
            target=self._run, name="safety.logs", daemon=True
        )

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, unless that takes long: then it is lost."""
        self._over = True
        self._wake.set()
        self._thread.join(_PATIENCE_S)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, worded now: its arguments may change."""
        record.msg, record.args = record.getMessage(), None
        self.lost += len(self._waiting) == LINES_WAITING
        self._waiting.append(record)
        self._wake.set()

    def _run(self) -> None:
        self._settle()
        told = 0
        while not self._over or self._waiting:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._write(self._waiting.popleft())
            if self.lost > told:
                told = self.lost
                self._write(_lost(told))

    def _write(self, record: logging.LogRecord) -> None:
        for target in self._targets:
            target.handle(record)


@contextmanager
def quiet_logs(settle: Callable[[], None]) -> Iterator[OffThread]:
    """Let nothing that is logged meanwhile wait for whoever reads it."""
    root = logging.getLogger()
    before = root.handlers[:]
    off = OffThread(before, settle)
    off.start()
    root.handlers[:] = [off]
    try:
        yield off
    finally:
        root.handlers[:] = before
        off.stop()


def _lost(count: int) -> logging.LogRecord:
    text = f"{count} log lines could not be written in time and are lost"
    return logging.LogRecord(__name__, logging.WARNING, "", 0, text, None, None)
