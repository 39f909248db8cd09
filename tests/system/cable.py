"""A serial cable without hardware."""

from __future__ import annotations

import asyncio
import os
import tty
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Self


class Cable:
    """Two pseudo-terminals back to back; what is sent to a dead station is lost."""

    def __init__(self) -> None:
        self.dead: frozenset[int] = frozenset()
        self.sent: Counter[int] = Counter()
        self._ends = ExitStack()
        self.master = self.stations = ""

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        pairs = [os.openpty() for _ in range(2)]
        for ours, theirs in pairs:
            tty.setraw(theirs)
            os.set_blocking(ours, False)
            for end in (ours, theirs):
                self._ends.callback(os.close, end)
        (near, master), (far, stations) = pairs
        self.master, self.stations = os.ttyname(master), os.ttyname(stations)
        loop.add_reader(near, self._ask, near, far)
        loop.add_reader(far, self._answer, far, near)
        for end in (near, far):
            self._ends.callback(loop.remove_reader, end)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _ask(self, source: int, sink: int) -> None:
        with suppress(BlockingIOError):
            frame = os.read(source, 4096)
            self.sent[frame[0]] += 1
            if frame[0] not in self.dead:
                os.write(sink, frame)

    def _answer(self, source: int, sink: int) -> None:
        with suppress(BlockingIOError):
            os.write(sink, os.read(source, 4096))
