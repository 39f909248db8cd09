"""What a person found: was an alarm, or an anomaly, right? It labels what was recorded.

A verdict is an event, so it is on record with its user and travels to the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.domain.event import Event, EventKind

VERDICT = "verdict"
VERDICTS = ("true", "false", "unknown")


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the alarm `subject` (empty: on the anomaly of the asset).

    What it is about began at `since_ns` (None: when the asset's last anomaly began)
    and was seen until `time_ns`.
    """

    subject: str
    asset: str
    tag: str
    verdict: str
    note: str
    actor: str
    since_ns: int | None
    time_ns: int


def verdict_event(
    asset: str,
    verdict: str,
    *,
    note: str,
    actor: str,
    utc_ns: int,
    since_ns: int | None = None,
) -> Event:
    """Return the event of a verdict on the anomaly of an asset, since `since_ns`."""
    return Event(
        kind=EventKind.AUDIT,
        name=VERDICT,
        time_ns=utc_ns,
        message=f"{asset}: its anomaly is judged {verdict}",
        asset=asset,
        actor=actor,
        details={
            "verdict": verdict,
            "verdict_note": note,
            "verdict_by": actor,
            **({} if since_ns is None else {"since_ns": since_ns}),
        },
    )


def verdict_of(event: Event) -> Verdict | None:
    """Return the verdict that an event tells; None where it tells none."""
    details = event.details
    if event.name != VERDICT or details.get("verdict") not in VERDICTS:
        return None
    since_ns = details.get("since_ns")
    return Verdict(
        subject=str(details.get("id") or ""),
        asset=event.asset,
        tag=event.tag or "",
        verdict=str(details["verdict"]),
        note=str(details.get("verdict_note") or ""),
        actor=event.actor,
        since_ns=since_ns if isinstance(since_ns, int) else None,
        time_ns=event.time_ns,
    )
