"""The script of a what-if: one line per thing that happens.

+0.1 P-101/DE/vibration_rms=8.2 good    after 0.1 s it reads 8.2 (good, bad, late)
wait 5                                  nothing new for 5 s
reset P-101 motor                       one element, or all without a name
stop                                    an operator's stop
bypass high vibration 60s               one initiator, or one of its channels
unbypass high vibration
arm | observe                           the mode
hand over 60s | resume                  the maintenance hand-over
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.runtime.durations import DurationError, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUALITIES = ("good", "bad", "late")
_NAMED = ("reset", "unbypass")
_ALONE = ("stop", "arm", "observe", "resume")
_TIMED = ("bypass", "hand over")


class ScriptError(ValueError):
    """A line that is not understood; its number is in the text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happens, `after_s` after the one before.

    `act` is `set`, `wait`, `reset`, `stop`, `bypass`, `unbypass`, `arm`, `observe`,
    `hand over` or `resume`; `of` names a tag, a row or an element; `quality` and
    `value` are those of a tag, `length_s` that of a bypass or a hand-over.
    """

    number: int
    act: str
    of: str = ""
    after_s: float = 0.0
    value: float = math.nan
    quality: str = "good"
    length_s: float = 0.0


def parsed(lines: Iterable[str]) -> Iterator[Line]:
    """Yield what the lines say; `#` begins a comment line.

    Raises:
        ScriptError: A line is not understood.
    """
    for number, text in enumerate(lines, start=1):
        words = text.split()
        if words and not words[0].startswith("#"):
            try:
                yield _line(number, words)
            except (DurationError, ValueError) as error:
                raise ScriptError(f"line {number}: {error}") from error


def _line(number: int, words: list[str]) -> Line:
    after_s = 0.0
    if words[0].startswith("+"):
        after_s = seconds(words[0][1:])
        words = words[1:]
    if not words:
        return Line(number, "wait", after_s=after_s)
    if words[0] == "wait":
        return Line(number, "wait", after_s=after_s + seconds(" ".join(words[1:])))
    for act in _TIMED:
        if " ".join(words).startswith(f"{act} "):
            of = " ".join(words[len(act.split()) : -1])
            length_s = seconds(words[-1])
            return Line(number, act, of, after_s, length_s=length_s)
    if words[0] in _NAMED:
        return Line(number, words[0], " ".join(words[1:]), after_s)
    if words[0] in _ALONE and len(words) == 1:
        return Line(number, words[0], after_s=after_s)
    return _set(number, words, after_s)


def _set(number: int, words: list[str], after_s: float) -> Line:
    quality = "good"
    if words[-1] in QUALITIES:
        *words, quality = words
    tag, equals, value = " ".join(words).rpartition("=")
    if not equals:
        raise ValueError(f"{' '.join(words)!r} is not understood")
    return Line(number, "set", tag.strip(), after_s, float(value), quality)
