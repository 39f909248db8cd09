"""An alarm as the hub lists it, and which comes first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.domain.tag import TagId, asset_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PRIORITIES = ("critical", "high", "medium", "low")
"""From the worst down."""
SYMBOLS = {"critical": "■C", "high": "▲H", "medium": "▼M", "low": "●L"}
"""Shape and letter: the colour is only the third sign."""
_ASIDE = frozenset({"shelved", "suppressed", "out_of_service"})
_UNIMPORTANT = frozenset({"normal", "pending"})


@dataclass(frozen=True, slots=True)
class Alarm:
    """A row of `alarms.list`."""

    id: str
    tag: str
    rule: str
    priority: str
    state: str
    active: bool
    acknowledged: bool
    value: float | None = None
    setpoint: float | None = None
    engineering_units: str = ""
    changed_ns: int = 0
    actor: str = ""
    cause: str = ""
    consequence: str = ""
    action: str = ""
    respond_within_s: float | None = None
    tags: tuple[str, ...] = ()
    since_ns: int = 0
    acknowledged_by: str = ""
    shelved_until_ns: int = 0
    one_shot: bool = False
    shelved_by: str = ""
    shelve_reason: str = ""
    suppressed_by: str = ""
    out_of_service_by: str = ""
    out_of_service_reason: str = ""
    group: str = ""
    inhibited_by: str = ""
    chattering: bool = False
    stale: bool = False
    count: int = 0
    verdict: str = ""
    verdict_note: str = ""
    verdict_by: str = ""

    @property
    def of_source(self) -> bool:
        """Whether a source raised it about itself: it watches no value."""
        return self.rule == "source"

    @property
    def asset(self) -> str:
        """The asset its tag belongs to."""
        return asset_of(TagId(self.tag))

    @property
    def standing(self) -> bool:
        """Whether it needs, or may need, somebody."""
        return self.state not in _UNIMPORTANT

    @property
    def announced(self) -> bool:
        """Whether it is kept before the operator: not shelved or suppressed."""
        return self.standing and self.state not in _ASIDE

    @property
    def begun_ns(self) -> int:
        """When it was raised; when it last changed, where that is all we know."""
        return self.since_ns or self.changed_ns

    def respond_left_s(self, utc_ns: int) -> float | None:
        """Return how long its operator still has; negative: too late, None: no limit.

        The time runs from when it was raised, for as long as it is active.
        """
        if self.respond_within_s is None or not self.active or not self.begun_ns:
            return None
        return self.respond_within_s - (utc_ns - self.begun_ns) / 1e9

    @property
    def needs_acknowledgement(self) -> bool:
        """Whether nobody has said yet that it was seen.

        One that another speaks for calls nobody by itself.
        """
        return self.announced and not self.acknowledged and not self.inhibited_by

    @property
    def symbol(self) -> str:
        """Shape and letter of its priority."""
        return SYMBOLS.get(self.priority, "?" + self.priority[:1].upper())

    @property
    def place(self) -> tuple[bool, bool, int, bool, int]:
        """Sort key: announced and active first, then the worst, unseen, newest."""
        rank = rank_of(self.priority)
        unseen = self.needs_acknowledgement
        return (not self.announced, not self.active, rank, not unseen, -self.changed_ns)


def rank_of(priority: str) -> int:
    """Return 0 for the worst priority."""
    known = priority in PRIORITIES
    return PRIORITIES.index(priority) if known else len(PRIORITIES)


def alarm_of(row: Mapping[str, Any]) -> Alarm:
    """Return a row of the hub's list as an alarm; what is missing is empty."""
    state = str(row.get("state", "normal"))
    return Alarm(
        id=str(row.get("id", "?")),
        tag=str(row.get("tag", "?")),
        rule=str(row.get("rule", "")),
        priority=str(row.get("priority", "")),
        state=state,
        active=bool(row.get("active", state.startswith("active"))),
        acknowledged=bool(row.get("acknowledged", not state.endswith("unack"))),
        value=_number(row.get("value")),
        setpoint=_number(row.get("setpoint")),
        engineering_units=str(row.get("engineering_units") or ""),
        changed_ns=int(row.get("changed_ns") or 0),
        actor=str(row.get("actor") or ""),
        cause=str(row.get("cause") or ""),
        consequence=str(row.get("consequence") or ""),
        action=str(row.get("action") or ""),
        respond_within_s=_number(row.get("respond_within_s")),
        tags=tuple(str(tag) for tag in row.get("tags") or ()),
        since_ns=int(row.get("since_ns") or 0),
        acknowledged_by=str(row.get("acknowledged_by") or ""),
        shelved_until_ns=int(row.get("shelved_until_ns") or 0),
        one_shot=bool(row.get("one_shot")),
        shelved_by=str(row.get("shelved_by") or ""),
        shelve_reason=str(row.get("shelve_reason") or ""),
        suppressed_by=str(row.get("suppressed_by") or ""),
        out_of_service_by=str(row.get("out_of_service_by") or ""),
        out_of_service_reason=str(row.get("out_of_service_reason") or ""),
        group=str(row.get("group") or ""),
        inhibited_by=str(row.get("inhibited_by") or ""),
        chattering=bool(row.get("chattering")),
        stale=bool(row.get("stale")),
        count=int(row.get("count") or 0),
        verdict=str(row.get("verdict") or ""),
        verdict_note=str(row.get("verdict_note") or ""),
        verdict_by=str(row.get("verdict_by") or ""),
    )


def standing(rows: Iterable[Mapping[str, Any]]) -> tuple[Alarm, ...]:
    """Return the alarms that are not normal, the first one first."""
    alarms = (alarm_of(row) for row in rows)
    return tuple(sorted((a for a in alarms if a.standing), key=lambda a: a.place))


def _number(given: object) -> float | None:
    return float(given) if isinstance(given, int | float) else None
