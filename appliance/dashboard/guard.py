"""What safety says of itself, as frozen words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Channel:
    """One transmitter of an initiator."""

    name: str
    trust: str
    value: float | None
    demanding: bool


@dataclass(frozen=True, slots=True)
class Initiator:
    """A row of the matrix, with what its configuration says it means."""

    id: str
    vote: str
    acting_vote: str
    state: str
    setpoint: float | None
    margin: float | None
    elements: tuple[str, ...]
    channels: tuple[Channel, ...]
    bypass_by: str = ""
    bypass_reason: str = ""
    bypass_left_s: float | None = None
    engineering_units: str = ""
    cause: str = ""
    consequence: str = ""
    action: str = ""

    @property
    def bypassed(self) -> bool:
        """Whether it, or one of its channels, is out of action."""
        return self.bypass_left_s is not None


@dataclass(frozen=True, slots=True)
class Element:
    """A column of the matrix."""

    id: str
    tripped: bool
    first_out: str
    causes: tuple[str, ...]
    stop: str
    heartbeat: bool


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A hand-over to the PLC that stands: `requested`, `granted` or `returning`."""

    phase: str
    by: str
    reason: str
    left_s: float


@dataclass(frozen=True, slots=True)
class Guard:
    """The whole status; `known` is False until safety has answered once."""

    known: bool = False
    mode: str = "unknown"
    tripped: bool = False
    first_out: str = ""
    elements: tuple[Element, ...] = ()
    initiators: tuple[Initiator, ...] = ()
    scan: Mapping[str, Any] = field(default_factory=dict)
    journal_trouble: str = ""
    claim: str = ""
    maintenance: Maintenance | None = None

    @property
    def armed(self) -> bool:
        """Whether it would stop anything."""
        return self.mode == "armed"

    @property
    def bypassed(self) -> tuple[Initiator, ...]:
        """Initiators that are out of action."""
        return tuple(each for each in self.initiators if each.bypassed)

    def initiator(self, name: str) -> Initiator | None:
        """Return the initiator of a name."""
        return next((each for each in self.initiators if each.id == name), None)


def guard_of(status: Mapping[str, Any], meanings: Mapping[str, Any]) -> Guard:
    """Return safety's status; `meanings` has the configuration's words by initiator."""
    journal = status.get("journal") or {}
    return Guard(
        known=True,
        mode=str(status.get("mode", "unknown")),
        tripped=bool(status.get("tripped")),
        first_out=str(status.get("first_out") or ""),
        elements=tuple(_element(each) for each in status.get("elements") or ()),
        initiators=tuple(
            _initiator(each, meanings.get(str(each.get("id"))) or {})
            for each in status.get("initiators") or ()
        ),
        scan=dict(status.get("scan") or {}),
        journal_trouble=str(journal.get("trouble") or ""),
        claim=str(status.get("claim") or ""),
        maintenance=_maintenance(status.get("maintenance")),
    )


def _maintenance(row: Mapping[str, Any] | None) -> Maintenance | None:
    if not row:
        return None
    return Maintenance(
        phase=str(row.get("phase", "?")),
        by=str(row.get("by") or ""),
        reason=str(row.get("reason") or ""),
        left_s=float(row.get("left_s") or 0.0),
    )


def _element(row: Mapping[str, Any]) -> Element:
    return Element(
        id=str(row.get("id", "?")),
        tripped=bool(row.get("tripped")),
        first_out=str(row.get("first_out") or ""),
        causes=tuple(str(each) for each in row.get("causes") or ()),
        stop=str(row.get("stop") or ""),
        heartbeat=bool(row.get("heartbeat")),
    )


def _initiator(row: Mapping[str, Any], meaning: Mapping[str, Any]) -> Initiator:
    bypass = row.get("bypass") or {}
    return Initiator(
        id=str(row.get("id", "?")),
        vote=str(row.get("vote", "")),
        acting_vote=str(row.get("acting_vote", row.get("vote", ""))),
        state=str(row.get("state", "?")),
        setpoint=row.get("setpoint"),
        margin=row.get("margin"),
        elements=tuple(str(each) for each in row.get("elements") or ()),
        channels=tuple(
            Channel(
                name=str(each.get("name", "?")),
                trust=str(each.get("trust", "?")),
                value=each.get("value"),
                demanding=bool(each.get("demanding")),
            )
            for each in row.get("channels") or ()
        ),
        bypass_by=str(bypass.get("by") or ""),
        bypass_reason=str(bypass.get("reason") or ""),
        bypass_left_s=float(bypass["left_s"]) if "left_s" in bypass else None,
        engineering_units=str(meaning.get("engineering_units") or ""),
        cause=str(meaning.get("cause") or ""),
        consequence=str(meaning.get("consequence") or ""),
        action=str(meaning.get("action") or ""),
    )
