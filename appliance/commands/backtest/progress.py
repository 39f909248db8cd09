"""A bar on the terminal while rows are read and judged; silent anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

_WIDTH = 24
_CLEAR = "\r\x1b[K"


class Progress:
    """One line that is overwritten: which file, what is done, how far."""

    def __init__(self, total: int, *, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty()
        self._total = total
        self._done = 0
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown and self._last:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def step(self, name: str, doing: str, part: float = 0.0) -> None:
        """Show that `part` (0…1) of the present file is done."""
        whole = (self._done + min(max(part, 0.0), 1.0)) / max(1, self._total)
        filled = int(whole * _WIDTH)
        bar = "█" * filled + "░" * (_WIDTH - filled)
        self._show(f"{bar} {whole:4.0%}  {name[-40:]}  {doing}")

    def finished(self, name: str) -> None:
        """Count one more file as done."""
        self._done += 1
        self.step(name, "done")

    def say(self, text: str) -> None:
        """Print a line that stays, above the bar."""
        if self._shown and self._last:
            self._stream.write(_CLEAR)
        self._stream.write(text + "\n")
        if self._shown and self._last:
            self._stream.write(self._last)
        self._stream.flush()

    def _show(self, line: str) -> None:
        if self._shown and line != self._last:
            self._stream.write(f"{_CLEAR}{line}")
            self._stream.flush()
            self._last = line
