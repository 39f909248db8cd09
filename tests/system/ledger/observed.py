"""What can be seen of a history from outside: all that the checker is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple[str, str, str, str]
"""Site, gateway, epoch and stream: what a number is unique in."""


@dataclass(frozen=True)
class Answer:
    """The producer's log: the counter that was given out, and when."""

    value: int
    time_ns: int


@dataclass(frozen=True)
class Sample:
    """What the gateway says it has stored; `value` is None where it is not good."""

    value: float | None
    time_ns: int


@dataclass(frozen=True)
class Promise:
    """The gateway's "done" to an order: the numbers under which it is on record."""

    order: int
    seqs: tuple[int, ...]


@dataclass(frozen=True)
class Told:
    """An event that the gateway told as committed."""

    seq: int
    name: str
    message: str


@dataclass(frozen=True)
class LakeRow:
    """A row of the lake's files: its key, its number, its content."""

    key: Key
    seq: int
    content: Mapping[str, object]

    @property
    def stream(self) -> str:
        """The stream it came in."""
        return self.key[3]


@dataclass
class Observed:
    """One history. Times are UTC; `slack_s` is how far they may be off.

    `clock_errors_ns` are the errors that the gateway's clock may have had.
    """

    answers: list[Answer] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    scrapes: list[Mapping[str, int]] = field(default_factory=list)
    lake: list[LakeRow] = field(default_factory=list)
    epochs: set[str] = field(default_factory=set)
    slack_s: float = 1.0
    clock_errors_ns: tuple[int, ...] = (0,)
