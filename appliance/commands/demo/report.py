"""The demonstration's report: computed from what was measured, nothing else. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLE_BYTES = 17
WAVEFORM_POINT_BYTES = 4
_NS = 1e9


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the parts of the product and the plant say at the end.

    `truth` are the plant's own lines; `counters` the hub's; `outbox` totals of all
    streams; `problems` what is wrong with the buffer, where rows are held against
    counters; `fleet` the lake's own count; `life` pairs (UTC ns, hours) of the
    expected remaining useful life. `channels` and `on_delay_s` are those of the
    initiator that guards the machine, `votes` how many channels make its demand.
    """

    scenario: str
    start_ns: int
    end_ns: int
    truth: Sequence[Mapping[str, Any]]
    events: Sequence[Event]
    counters: Mapping[str, int]
    waveform_points: int
    problems: Sequence[str]
    outbox: Mapping[str, int]
    fleet: Mapping[str, int]
    uplink_bytes: int
    channels: Sequence[str]
    votes: int
    on_delay_s: float
    power_up: str
    life: Sequence[tuple[int, float]] = field(default_factory=tuple)


def report(evidence: Evidence) -> dict[str, Any]:
    """Return the report; times are seconds from the start, or None."""
    fault_s = _first_truth(evidence, "fault")
    anomaly_s = _anomaly_s(evidence, fault_s)
    trip_s = _trip_s(evidence)
    counters = evidence.counters
    raw_bytes = (
        SAMPLE_BYTES * counters.get("samples_read", 0)
        + WAVEFORM_POINT_BYTES * evidence.waveform_points
    )
    delay_s = None
    if fault_s is not None and anomaly_s is not None:
        delay_s = round(anomaly_s - fault_s, 3)
    return {
        "scenario": evidence.scenario,
        "seconds": round((evidence.end_ns - evidence.start_ns) / _NS, 3),
        "samples_read": counters.get("samples_read", 0),
        "samples_stored": counters.get("samples_stored", 0),
        "samples_rejected": counters.get("samples_rejected", 0),
        "samples_in_flight": counters.get("samples_in_flight", 0),
        "outbox_enqueued": evidence.outbox.get("enqueued", 0),
        "outbox_delivered": evidence.outbox.get("delivered", 0),
        "outbox_pending": evidence.outbox.get("pending", 0),
        "declared_gaps": evidence.outbox.get("declared_gaps", 0),
        "acquisition_gaps": _count(evidence.events, EventKind.GAP),
        "buffer_problems": list(evidence.problems),
        "fleet_rows": evidence.fleet.get("rows", 0),
        "fleet_duplicates": evidence.fleet.get("duplicates", 0),
        "fault_at": fault_s,
        "anomaly_at": anomaly_s,
        "detection_delay_s": delay_s,
        "false_alarms": _false_alarms(evidence, fault_s),
        "trip_at": trip_s,
        "trip_response_ms": _trip_response_ms(evidence),
        "rul_h_at_alarm": _life_at_alarm(evidence, fault_s),
        "raw_bytes": raw_bytes,
        "uplink_bytes": evidence.uplink_bytes,
        "uplink_share": round(evidence.uplink_bytes / raw_bytes, 5)
        if raw_bytes
        else None,
    }


def broken_laws(result: Mapping[str, Any]) -> list[str]:
    """Return which laws the report breaks, in words; none in a good run."""
    broken = []
    kept = sum(
        result[f"samples_{each}"] for each in ("stored", "rejected", "in_flight")
    )
    if result["samples_read"] != kept:
        broken.append("samples read are not stored + rejected + in flight")
    rows = result["outbox_delivered"] + result["outbox_pending"]
    if result["outbox_enqueued"] != rows + result["declared_gaps"]:
        broken.append("outbox rows are not delivered + pending + declared gaps")
    broken += [f"the buffer: {problem}" for problem in result["buffer_problems"]]
    if result["fleet_duplicates"]:
        broken.append("the lake holds a row twice")
    if result["fleet_rows"] < result["outbox_delivered"]:
        broken.append("the lake lacks rows that it has acknowledged")
    return broken


def _seconds(evidence: Evidence, time_ns: int) -> float:
    return round((time_ns - evidence.start_ns) / _NS, 3)


def _first_truth(evidence: Evidence, kind: str) -> float | None:
    for line in evidence.truth:
        if line["kind"] == kind:
            return round(float(line["since_s"]), 3)
    return None


def _anomaly_s(evidence: Evidence, fault_s: float | None) -> float | None:
    """Return the first anomaly since the fault; earlier ones are false alarms."""
    for event in evidence.events:
        at_s = _seconds(evidence, event.time_ns)
        begins = event.kind is EventKind.ANOMALY and event.name == "begin"
        if begins and (fault_s is None or at_s >= fault_s):
            return at_s
    return None


def _announced(evidence: Evidence) -> list[Event]:
    """Return what called for a person: alarms becoming active, anomalies beginning.

    Of the machine, that is: a source that was killed says so, and rightly.
    """
    wanted = {(EventKind.ALARM, "active"), (EventKind.ANOMALY, "begin")}
    return [
        event
        for event in evidence.events
        if (event.kind, event.name) in wanted and event.details.get("rule") != "source"
    ]


def _false_alarms(evidence: Evidence, fault_s: float | None) -> int:
    announced = _announced(evidence)
    if fault_s is None:
        return len(announced)
    return sum(_seconds(evidence, event.time_ns) < fault_s for event in announced)


def _trip_s(evidence: Evidence) -> float | None:
    for event in evidence.events:
        first_out = event.kind is EventKind.TRIP and event.name == "first_out"
        if first_out and event.details.get("initiator") != evidence.power_up:
            return _seconds(evidence, event.time_ns)
    return None


def _trip_response_ms(evidence: Evidence) -> float | None:
    """Return the time from the demand in the plant's truth to the stop it saw.

    The demand is due when `votes` of the transmitters have shown more than the
    setpoint for the on-delay without a break.
    """
    above: dict[str, float] = {}
    for line in evidence.truth:
        at_s = float(line["t_s"])
        match line["kind"]:
            case "mark" if line["tag"] in evidence.channels:
                above[line["tag"]] = at_s
            case "mark_cleared":
                above.pop(line["tag"], None)
            case "stop_seen" if len(above) >= evidence.votes:
                reached_s = sorted(above.values())[evidence.votes - 1]
                return round(1000 * (at_s - reached_s - evidence.on_delay_s), 1)
    return None


def _life_at_alarm(evidence: Evidence, fault_s: float | None) -> float | None:
    """Return the first estimate at or after the first announcement since the fault."""
    if fault_s is None:
        return None
    since = [
        event.time_ns
        for event in _announced(evidence)
        if _seconds(evidence, event.time_ns) >= fault_s
    ]
    if not since:
        return None
    for time_ns, hours in evidence.life:
        if time_ns >= since[0]:
            return round(hours, 1)
    return None


def _count(events: Sequence[Event], kind: EventKind) -> int:
    return sum(event.kind is kind for event in events)
