"""The hand-over to the PLC and back, so that the gateway may restart unwatched. Pure.

An operator asks; the request is written; the PLC grants. From then on the PLC keeps the
machine running without our heartbeat, for its own limited time. The next life finds
the token of this one, and takes over without a stop only if everything that a reset
needs is proved, the grant still stands and the machine still runs. Whatever else it
finds is a power-up as ever: tripped. Until it has decided it writes nothing, because
the PLC has the machine; a demand that it sees meanwhile decides at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import Config


class Phase(StrEnum):
    """How far a hand-over has come."""

    REQUESTED = "requested"
    GRANTED = "granted"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Handover:
    """A hand-over that stands, until a scan time at the latest.

    `granted_s` is when the PLC consented; it has not while `phase` is requested.
    """

    actor: str
    reason: str
    until_s: float
    phase: Phase = Phase.REQUESTED
    granted_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Life:
    """What a token must agree with: this boot of the machine, and these rules.

    The monotonic clock counts on within one boot, whatever the wall clock does.
    """

    boot: str = ""
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """What one life leaves for the next, durable before anybody leaves."""

    boot: str
    rules: str
    granted_s: float
    until_s: float
    actor: str
    reason: str


NO_LIFE = Life()
"""No token agrees with it."""


def rules_of(config: Config) -> str:
    """Return the fingerprint of all that safety was configured with."""
    parts = [
        *(each.model_dump_json() for each in config.safety_sources),
        *(each.model_dump_json() for each in config.initiators),
        *(each.model_dump_json() for each in config.elements),
        *(f"{row}: {sorted(stops)}" for row, stops in sorted(config.matrix.items())),
        config.safety.model_dump_json(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def token_of(standing: Handover | None, life: Life) -> Token | None:
    """Return what the next life may find; None unless the PLC has consented."""
    if standing is None or standing.phase is not Phase.GRANTED:
        return None
    return Token(
        boot=life.boot,
        rules=life.rules,
        granted_s=standing.granted_s,
        until_s=standing.until_s,
        actor=standing.actor,
        reason=standing.reason,
    )


def redeemed(
    token: Token | None,
    life: Life,
    causes: Mapping[str, tuple[str, ...]],
    now_s: float,
) -> Handover | None:
    """Return the hand-over that a token opens for this life, if it is any good.

    Nothing may have been latched with it; it must be of this boot, of these very
    rules, and of a time that is not over.
    """
    if token is None or any(causes.values()):
        return None
    same = (token.boot, token.rules) == (life.boot, life.rules)
    if not (same and life.boot and life.rules):
        return None
    if not token.granted_s <= now_s < token.until_s:
        return None
    return Handover(
        token.actor, token.reason, token.until_s, Phase.RETURNING, token.granted_s
    )
