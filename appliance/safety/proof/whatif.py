"""What if: the real logic, scan by scan, on inputs from a script. No field is touched.

Until the script says otherwise every input is good and safe, the output obeys, a
machine that may run runs, and one that may not has stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.domain.sample import (
    STATUS_BAD_SENSOR_FAILURE,
    STATUS_GOOD,
    Quality,
    Sample,
)
from appliance.domain.tag import TagId
from appliance.safety.channel import Reading
from appliance.safety.latch import Report
from appliance.safety.logic import power_up, step
from appliance.safety.maintenance import Handover
from appliance.safety.proof.classes import BELOW, NEAR, value_of
from appliance.safety.proof.script import Line, ScriptError
from appliance.safety.row import Bypass, channels_of
from appliance.safety.status import word_of
from appliance.safety.turn import Commands, Matrix, Readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.safety.turn import State, Turn

ACTOR = "what-if"


@dataclass(frozen=True, slots=True)
class Change:
    """A scan in which something changed: of rows, of elements, and what was told."""

    at_s: float
    rows: dict[str, str]
    elements: dict[str, str]
    events: tuple[tuple[str, str], ...]
    refusals: tuple[str, ...]

    def text(self) -> str:
        """Return it for people, one line per change."""
        lines = [f"{name}: {word}" for name, word in self.rows.items()]
        lines += [f"{name}: {word}" for name, word in self.elements.items()]
        lines += [f"- {message}" for _, message in self.events]
        return "\n".join(f"{self.at_s:9.3f} s  {line}" for line in lines)

    def plain(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "at_s": self.at_s,
            "rows": self.rows,
            "elements": self.elements,
            "events": [{"name": name, "message": text} for name, text in self.events],
            "refusals": list(self.refusals),
        }


@dataclass(slots=True)
class _Wishes:
    """What the script wants of the next scan."""

    stop: str = ""
    reset: frozenset[str] = field(default_factory=frozenset)
    arm: bool | None = None
    bypasses: tuple[Bypass, ...] = ()
    unbypass: frozenset[str] = field(default_factory=frozenset)
    hand_over: Handover | None = None
    resume: bool = False


class WhatIf:
    """Plays a script on a matrix; `cold` begins at power-up, with nothing heard."""

    def __init__(self, matrix: Matrix, *, period_s: float, cold: bool = False) -> None:
        self._matrix = matrix
        self._period_s = period_s
        self._scans = 0
        self._start_s = 0.0
        self._given: dict[str, tuple[float, str]] = {}
        self._wishes = _Wishes()
        self._state = power_up(matrix, {}, armed=True)
        self._shown: dict[str, str] = {}
        if not cold:
            self._given = dict(_well(matrix))
            self._warm()

    @property
    def state(self) -> State:
        """What the logic remembers now."""
        return self._state

    def play(self, lines: Iterable[Line]) -> Iterator[Change]:
        """Yield every scan that changes something.

        Raises:
            ScriptError: A line names what the matrix does not have.
        """
        for line in lines:
            yield from self._pass(line.after_s)
            self._take(line)
            if line.act != "wait":
                yield from self._pass(self._period_s)
        yield from self._pass(self._period_s)

    def _warm(self) -> None:
        """Let it run before the script begins, and forget what that told."""
        windows_s = [
            row.rate_window_s for row in self._matrix.rows if row.condition == "rate"
        ]
        history_s = 1.2 * max(windows_s, default=0.0)
        for _ in range(2 + math.ceil(history_s / self._period_s)):
            self._scan()
        self._wishes.reset = frozenset(each.id for each in self._matrix.elements)
        self._scan()
        self._scan()
        self._start_s = self._now_s
        self._shown = {}

    def _pass(self, length_s: float) -> Iterator[Change]:
        for _ in range(round(length_s / self._period_s)):
            change = self._scan()
            if change is not None:
                yield change

    def _take(self, line: Line) -> None:
        wishes, now_s = self._wishes, self._now_s
        match line.act:
            case "set":
                self._set(line)
            case "stop":
                wishes.stop = "what if"
            case "reset":
                wishes.reset = self._elements(line)
            case "bypass":
                bypass = self._bypass(line, now_s + line.length_s)
                wishes.bypasses = (*wishes.bypasses, bypass)
            case "unbypass":
                wishes.unbypass |= {self._row(line, line.of)}
            case "arm" | "observe":
                wishes.arm = line.act == "arm"
            case "hand over":
                until_s = now_s + line.length_s
                wishes.hand_over = Handover(ACTOR, "what if", until_s)
            case "resume":
                wishes.resume = True

    def _set(self, line: Line) -> None:
        known = {tag for row in self._matrix.rows for tag in channels_of(row)}
        if line.of not in known and line.of not in self._matrix.listened:
            raise ScriptError(f"line {line.number}: no tag {line.of!r} in the matrix")
        self._given[line.of] = (line.value, line.quality)

    def _elements(self, line: Line) -> frozenset[str]:
        names = frozenset(each.id for each in self._matrix.elements)
        if not line.of:
            return names
        if line.of not in names:
            raise ScriptError(f"line {line.number}: no element {line.of!r}")
        return frozenset({line.of})

    def _row(self, line: Line, name: str) -> str:
        if all(row.id != name for row in self._matrix.rows):
            raise ScriptError(f"line {line.number}: no initiator {name!r}")
        return name

    def _bypass(self, line: Line, until_s: float) -> Bypass:
        """Return the bypass of a row, or of the row that a channel belongs to."""
        for row in self._matrix.rows:
            if line.of in row.channels and line.of != row.id:
                return Bypass(row.id, line.of, until_s, ACTOR, "what if")
        return Bypass(self._row(line, line.of), None, until_s, ACTOR, "what if")

    @property
    def _now_s(self) -> float:
        return self._scans * self._period_s

    def _scan(self) -> Change | None:
        self._scans += 1
        wishes, self._wishes = self._wishes, _Wishes()
        commands = Commands(
            stop=wishes.stop,
            reset=wishes.reset,
            actor=ACTOR,
            arm=wishes.arm,
            bypasses=wishes.bypasses,
            unbypass=wishes.unbypass,
            hand_over=wishes.hand_over,
            resume=wishes.resume,
        )
        turn = step(self._matrix, self._state, self._readings(), commands, self._now_s)
        self._state = turn.state
        return self._change(turn)

    def _readings(self) -> Readings:
        given = {**self._feedbacks(), **self._given}
        found = {tag: self._reading(tag, *each) for tag, each in given.items()}
        heard = {tag: each for tag, each in found.items() if each is not None}
        reports = {
            name: Report(point=not latch.tripped)
            for name, latch in self._state.latches.items()
        }
        return Readings(heard, heard, reports)

    def _feedbacks(self) -> dict[str, tuple[float, str]]:
        return {
            element.feedback: (float(not self._state.latches[element.id].tripped), "")
            for element in self._matrix.elements
            if element.feedback is not None
        }

    def _reading(self, tag: str, value: float, quality: str) -> Reading | None:
        if quality == "late":
            return None
        bad = quality == "bad"
        sample = Sample(
            TagId(tag),
            value,
            Quality.BAD if bad else Quality.GOOD,
            STATUS_BAD_SENSOR_FAILURE if bad else STATUS_GOOD,
            0,
            0,
        )
        return Reading(sample, self._now_s)

    def _change(self, turn: Turn) -> Change | None:
        """Return what is different from the last scan shown, if anything is."""
        rows = {
            row.id: f"{word_of(state)}, votes {state.vote}"
            for row in self._matrix.rows
            for state in (turn.state.rows[row.id],)
        }
        elements = {
            name: f"STOP, first-out {latch.first_out}" if latch.tripped else "may run"
            for name, latch in turn.state.latches.items()
        }
        before, self._shown = self._shown, {**rows, **elements}
        change = Change(
            at_s=round(self._now_s - self._start_s, 6),
            rows={k: word for k, word in rows.items() if before.get(k) != word},
            elements={k: word for k, word in elements.items() if before.get(k) != word},
            events=tuple((each.name, each.message) for each in turn.events),
            refusals=turn.refusals,
        )
        return change if change.rows or change.elements or change.events else None


def _well(matrix: Matrix) -> Iterator[tuple[str, tuple[float, str]]]:
    """Yield a good and safe value of every input; the first row of a tag decides."""
    for row in reversed(matrix.rows):
        word = NEAR if row.condition == "deviation" else BELOW
        value = 0.0 if row.condition == "rate" else value_of(row, word)
        for tag in channels_of(row):
            yield tag, (value, "good")
    for element in matrix.elements:
        for permissive in element.permissives:
            limits = (permissive.above, permissive.below)
            value = next(each for each in limits if each is not None)
            yield permissive.tag, (value, "good")
