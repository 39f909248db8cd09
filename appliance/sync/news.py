"""What a broker says while a connection lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Published:
    """The broker's PUBACK. Under 3.1.1 there is no reason: it always `took` it."""

    mid: int
    took: bool
    no_subscribers: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of the subscription."""

    topic: str
    content: bytes


News: TypeAlias = Published | Arrived
