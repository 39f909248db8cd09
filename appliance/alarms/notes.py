"""What people and time leave on an alarm beside its state: who, why, since when. Pure.

It travels in the details of the alarm's events, as far as there is anything to say, so
the last event of an alarm is all that a restart needs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.alarms.lifecycle import Change

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cause(NamedTuple):
    """When an act becomes known, and who is behind it."""

    now_s: float
    utc_ns: int
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Notes:
    """Empty, 0 or None where there is nothing to say.

    `announced_ns` is when it called for a person last, `unacknowledged_ns` since when
    nobody has answered. The verdict is on the last activation.
    """

    since_ns: int | None = None
    announced_ns: int | None = None
    unacknowledged_ns: int | None = None
    acknowledged_by: str = ""
    acknowledged_ns: int | None = None
    shelved_by: str = ""
    shelve_reason: str = ""
    suppressed_by: str = ""
    out_of_service_by: str = ""
    out_of_service_reason: str = ""
    verdict: str = ""
    verdict_note: str = ""
    verdict_by: str = ""

    def said(self) -> dict[str, str | int]:
        """Return what there is to say, for the details of an event."""
        return {name: value for name, value in asdict(self).items() if value}


_KINDS = {
    field.name: int if "int" in str(field.type) else str for field in fields(Notes)
}


def notes_of(details: Mapping[str, Any]) -> Notes:
    """Return what an event said; what is of another kind is passed over."""
    return Notes(
        **{
            name: details[name]
            for name, kind in _KINDS.items()
            if isinstance(details.get(name), kind)
        }
    )


def noted(notes: Notes, change: Change, cause: Cause, *, announced: bool) -> Notes:
    """Return the notes after a change that has just happened."""
    if announced:
        notes = replace(notes, announced_ns=cause.utc_ns)
    match change:
        case Change.ACTIVE:
            waiting = notes.unacknowledged_ns or cause.utc_ns
            return replace(
                _without_verdict(notes),
                since_ns=cause.utc_ns,
                unacknowledged_ns=waiting,
                acknowledged_by="",
                acknowledged_ns=None,
            )
        case Change.REANNOUNCED:
            waiting = notes.unacknowledged_ns or cause.utc_ns
            return replace(
                notes,
                unacknowledged_ns=waiting,
                acknowledged_by="",
                acknowledged_ns=None,
            )
        case Change.ACKNOWLEDGED:
            return replace(
                notes,
                unacknowledged_ns=None,
                acknowledged_by=cause.actor,
                acknowledged_ns=cause.utc_ns,
            )
    return _masked(notes, change, cause)


def _masked(notes: Notes, change: Change, cause: Cause) -> Notes:
    who, why = cause.actor, cause.reason
    said: dict[Change, dict[str, Any]] = {
        Change.SHELVED: {"shelved_by": who, "shelve_reason": why},
        Change.UNSHELVED: {"shelved_by": "", "shelve_reason": ""},
        Change.SUPPRESSED: {"suppressed_by": why},
        Change.UNSUPPRESSED: {"suppressed_by": ""},
        Change.OUT_OF_SERVICE: {
            "out_of_service_by": who,
            "out_of_service_reason": why,
        },
        Change.IN_SERVICE: {"out_of_service_by": "", "out_of_service_reason": ""},
    }
    return replace(notes, **said.get(change, {}))


def _without_verdict(notes: Notes) -> Notes:
    return replace(notes, verdict="", verdict_note="", verdict_by="")
