"""The life of one alarm: a pure state machine after ISA-18.2 and OPC UA Part 9.

```text
             on-delay            ack                      off-delay
  NORMAL ─▶ PENDING ─▶ ACTIVE_UNACK ─▶ ACTIVE_ACK ───────────────────▶ NORMAL
     ▲                     │ off-delay              ack                   ▲
     └──────────◀──────────┴───────▶ RTN_UNACK ──────────────────────────┘
  with a latch:  ACTIVE_* ─▶ LATCHED_UNACK ─ack─▶ LATCHED_ACK ─reset─▶ NORMAL
```

OUT_OF_SERVICE, SUPPRESSED and SHELVED lie over these, in this order of precedence
(`Lifecycle.state`); below them the alarm goes on living (Part 9, 4.8), it is only not
announced. When the last of them ends while the alarm is active, it is announced anew.
`docs/reference/alarm-states.md` has the whole table; a test reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from appliance.alarms.acts import (
    Acknowledge,
    Act,
    Elapse,
    Observe,
    PutBack,
    Reannounce,
    Reset,
    Shelve,
    Suppress,
    TakeOut,
    Unshelve,
)
from appliance.alarms.delay import Condition, Delay, Lasting, elapse, observe

SHELVE_MAX_S = 8 * 3600.0
"""Longest time on the shelf (Part 9: MaxTimeShelved), unless configured."""


class State(StrEnum):
    """The one state that is shown."""

    NORMAL = "normal"
    PENDING = "pending"
    ACTIVE_UNACK = "active_unack"
    ACTIVE_ACK = "active_ack"
    RTN_UNACK = "rtn_unack"
    LATCHED_UNACK = "latched_unack"
    LATCHED_ACK = "latched_ack"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class Change(StrEnum):
    """What happened to an alarm: the name of its event."""

    ACTIVE = "active"
    REANNOUNCED = "reannounced"
    RETURNED = "returned"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"


class NotPossibleError(Exception):
    """An act is refused in this state; the text says why."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Until when the alarm lies on the shelf (one-shot: or until it returns)."""

    until_s: float
    one_shot: bool = False


@dataclass(frozen=True, slots=True)
class Design:
    """How an alarm is made.

    It may be shelved for `shelve_max_s` (0: never). An active one is announced again
    every `realarm_s` (Part 9: ReAlarmTime), acknowledged or not.
    """

    delay: Delay
    latches: bool = False
    shelve_max_s: float = SHELVE_MAX_S
    realarm_s: float | None = None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where an alarm stands. A new one is normal, and nothing is known yet.

    `announced_s` and `realarms` are kept for an active alarm that has a `realarm_s`:
    when it was announced last, and how often again since it became active.
    """

    lasting: Lasting = field(default_factory=Lasting)
    acknowledged: bool = True
    latched: bool = False
    shelf: Shelf | None = None
    suppressed: bool = False
    out_of_service: bool = False
    announced_s: float | None = None
    realarms: int = 0

    @property
    def active(self) -> bool:
        """Whether the condition counts."""
        return self.lasting.active

    @property
    def masked(self) -> bool:
        """Whether it is kept from being announced."""
        return self.out_of_service or self.suppressed or self.shelf is not None

    @property
    def state(self) -> State:
        """The effective state, by precedence."""
        if self.out_of_service:
            return State.OUT_OF_SERVICE
        if self.suppressed:
            return State.SUPPRESSED
        return self._process_state if self.shelf is None else State.SHELVED

    @property
    def _process_state(self) -> State:
        if self.active:
            return State.ACTIVE_ACK if self.acknowledged else State.ACTIVE_UNACK
        if self.latched:
            return State.LATCHED_ACK if self.acknowledged else State.LATCHED_UNACK
        if not self.acknowledged:
            return State.RTN_UNACK
        return State.PENDING if self.lasting.pending else State.NORMAL


Step: TypeAlias = tuple[Lifecycle, tuple[Change, ...]]


def step(design: Design, life: Lifecycle, act: Act, now_s: float) -> Step:
    """Return where the alarm stands after an act at `now_s`, and what happened.

    Time passes first, so that a delay that was over before the act has had its effect.

    Raises:
        NotPossibleError: A person's act has no meaning in this state.
    """
    life, before = _elapse(design, life, now_s)
    life, after = _act(design, life, act, now_s)
    changes = (*before, *after)
    if design.realarm_s is not None:
        life = _noted(life, changes, now_s)
    return life, changes


def _elapse(design: Design, life: Lifecycle, now_s: float) -> Step:
    life, changes = _settle(design, life, elapse(design.delay, life.lasting, now_s))
    if life.shelf is not None and now_s >= life.shelf.until_s:
        life, ended = _unmasked(replace(life, shelf=None), Change.UNSHELVED)
        changes += ended
    if Change.REANNOUNCED not in changes and _realarms(design, life, now_s):
        life = replace(life, acknowledged=False, realarms=life.realarms + 1)
        changes += (Change.REANNOUNCED,)
    return life, changes


def _realarms(design: Design, life: Lifecycle, now_s: float) -> bool:
    """Whether an active alarm was announced too long ago."""
    if design.realarm_s is None or life.announced_s is None or life.masked:
        return False
    return life.active and now_s >= life.announced_s + design.realarm_s


def _noted(life: Lifecycle, changes: tuple[Change, ...], now_s: float) -> Lifecycle:
    """Note when an active alarm was announced last."""
    if not life.active:
        return replace(life, announced_s=None, realarms=0)
    anew = Change.ACTIVE in changes or Change.REANNOUNCED in changes
    if not anew and life.announced_s is not None:
        return life
    realarms = 0 if Change.ACTIVE in changes else life.realarms
    return replace(life, announced_s=now_s, realarms=realarms)


def _act(design: Design, life: Lifecycle, act: Act, now_s: float) -> Step:
    match act:
        case Elapse():
            return life, ()
        case Observe(condition):
            lasting = observe(design.delay, life.lasting, condition, now_s)
            return _settle(design, life, lasting)
        case Acknowledge() | Reannounce():
            return _answer(life, act)
        case Reset():
            return _reset(life)
        case Shelve() | Unshelve():
            return _shelve(design, life, act, now_s)
    return _mask(life, act)


def _settle(design: Design, life: Lifecycle, lasting: Lasting) -> Step:
    """Take over what the delays made of the condition."""
    was_active = life.active
    life = replace(life, lasting=lasting)
    if lasting.active == was_active:
        return life, ()
    if lasting.active:
        life = replace(life, acknowledged=False, latched=design.latches)
        return life, (Change.ACTIVE,)
    if life.shelf is not None and life.shelf.one_shot:
        return replace(life, shelf=None), (Change.RETURNED, Change.UNSHELVED)
    return life, (Change.RETURNED,)


def _answer(life: Lifecycle, act: Acknowledge | Reannounce) -> Step:
    """A person has seen it, or it asks to be seen again."""
    if isinstance(act, Acknowledge):
        _require(not life.acknowledged, "there is nothing to acknowledge")
        return replace(life, acknowledged=True), (Change.ACKNOWLEDGED,)
    if life.masked or not life.active:
        return life, ()
    return replace(life, acknowledged=False), (Change.REANNOUNCED,)


def _reset(life: Lifecycle) -> Step:
    _require(life.latched, "it is not latched")
    _require(not life.active, "its condition lasts")
    proved = life.lasting.condition is Condition.OFF
    _require(proved, "its condition is not known to be gone")
    _require(life.acknowledged, "acknowledge it first")
    return replace(life, latched=False), (Change.RESET,)


def _shelve(
    design: Design, life: Lifecycle, act: Shelve | Unshelve, now_s: float
) -> Step:
    if isinstance(act, Unshelve):
        _require(life.shelf is not None, "it is not shelved")
        return _unmasked(replace(life, shelf=None), Change.UNSHELVED)
    longest_s = design.shelve_max_s
    _require(longest_s > 0, "it may not be shelved")
    allowed = 0 < act.length_s <= longest_s
    _require(allowed, f"shelve it for more than 0 and at most {longest_s:g} s")
    shelf = Shelf(now_s + act.length_s, act.one_shot)
    return replace(life, shelf=shelf), (Change.SHELVED,)


def _mask(life: Lifecycle, act: Suppress | TakeOut | PutBack) -> Step:
    match act:
        case Suppress() if act.suppressed == life.suppressed:
            return life, ()
        case Suppress(suppressed=True):
            return replace(life, suppressed=True), (Change.SUPPRESSED,)
        case Suppress():
            return _unmasked(replace(life, suppressed=False), Change.UNSUPPRESSED)
        case TakeOut():
            _require(not life.out_of_service, "it is out of service already")
            return replace(life, out_of_service=True), (Change.OUT_OF_SERVICE,)
    _require(life.out_of_service, "it is in service")
    return _unmasked(replace(life, out_of_service=False), Change.IN_SERVICE)


def _unmasked(life: Lifecycle, change: Change) -> Step:
    """After a mask has ended: what is still active is announced anew."""
    if life.masked or not life.active:
        return life, (change,)
    return replace(life, acknowledged=False), (change, Change.REANNOUNCED)


def _require(possible: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion
    if not possible:
        raise NotPossibleError(otherwise)
