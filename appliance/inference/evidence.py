"""The words of a signature: what speaks for a fault, and what against it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """A symptom that proves nothing at `nothing` and all it can at `all_of_it`.

    `words` may name any symptom; they are told where the evidence is at hand.
    """

    of: str
    nothing: float
    all_of_it: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A fault: `needs` all of it, `supports` raise its confidence, `against` lower it.

    The weakest of what is needed counts; unknown, the fault is not named.
    """

    fault: str
    needs: tuple[Evidence, ...]
    supports: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()
