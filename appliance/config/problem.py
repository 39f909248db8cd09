"""One mistake in a configuration: where, what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake at a key path (`alarms[0].setpoint`), with its remedy.

    `line` counts from 1; 0 where it cannot be had.
    """

    key: str
    problem: str
    remedy: str
    line: int = 0

    def text(self, file: str) -> str:
        """Return `file:line: key.path: problem; remedy`."""
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {self.key}: {self.problem}; {self.remedy}"
