"""What may happen to an alarm: time, the process, the design, a person. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from appliance.alarms.delay import Condition


@dataclass(frozen=True, slots=True)
class Observe:
    """The rule has judged a sample."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Elapse:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A person has seen it."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A person clears the latch."""


@dataclass(frozen=True, slots=True)
class Shelve:
    """A person puts it aside for a while; one-shot: at most until it returns."""

    length_s: float
    one_shot: bool = False


@dataclass(frozen=True, slots=True)
class Unshelve:
    """A person takes it off the shelf."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """The design says that it means nothing in this state of the plant, or does."""

    suppressed: bool = True


@dataclass(frozen=True, slots=True)
class TakeOut:
    """A person takes it out of service."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """A person returns it to service."""


@dataclass(frozen=True, slots=True)
class Reannounce:
    """It became worse, or what spoke for it is gone: whoever saw it looks again."""


Act: TypeAlias = (
    Observe | Elapse | Acknowledge | Reset | Shelve | Unshelve | Suppress | TakeOut
    | PutBack | Reannounce
)  # fmt: skip
