"""What people and the machine's own history say of a time: healthy, or not. Pure.

Never learned from: what was called an anomaly or an alarm, until it was over; what a
person confirmed to be a fault, until the repair; and what lies between an anomaly and
the maintenance that ended it. What a person judged false is healthy after all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.domain.event import EventKind
from appliance.domain.health import ANOMALY_SCORE
from appliance.domain.maintenance import maintenance_of_event
from appliance.domain.tag import asset_of
from models.features import FeatureTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.domain.batch import TimeColumn
    from appliance.domain.event import Event
    from appliance.domain.verdict import Verdict

ANOMALY = "anomaly"
TRUE, FALSE = "true", "false"

_BEGINS = {EventKind.ANOMALY: {"begin"}, EventKind.ALARM: {"active", "reannounced"}}
_ENDS = {EventKind.ANOMALY: {"end"}, EventKind.ALARM: {"returned"}}
_SLACK_NS = 60_000_000_000  # an alarm begins a little later than what it is about


class Span(NamedTuple):
    """A time that is not learned from, and why."""

    from_ns: int
    to_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class Episode:
    """An anomaly, or an alarm of that name, and what a person judged of it."""

    subject: str
    from_ns: int
    to_ns: int
    judged: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """Of one asset: what to leave out, and the faults that are known to be ones.

    `faults` are the anomalies that a person confirmed or that a repair ended,
    `starts_ns` when the hub began to run.
    """

    excluded: tuple[Span, ...] = ()
    faults: tuple[Span, ...] = ()
    starts_ns: tuple[int, ...] = ()

    def without_absence(self, rows_ns: TimeColumn) -> Labels:
        """Leave out, too, from the last row before each start of the hub to that start.

        Nobody looked: what was stored last is not how it stayed. `rows_ns` in order.
        """
        places = np.searchsorted(rows_ns, self.starts_ns)
        away = tuple(
            Span(int(rows_ns[place - 1]), start_ns, "the hub did not run")
            for place, start_ns in zip(places, self.starts_ns, strict=True)
            if place > 0
        )
        return replace(self, excluded=tuple(sorted((*self.excluded, *away))))

    def healthy(self, table: FeatureTable, *, window_s: float) -> FeatureTable:
        """Return the rows whose windows touch nothing that is left out."""
        ends_ns, begins_ns = table.time_ns, table.time_ns - round(window_s * 1e9)
        kept = np.ones(len(table), dtype=bool)
        for span in self.excluded:
            kept &= (ends_ns <= span.from_ns) | (begins_ns >= span.to_ns)
        return FeatureTable(
            table.names, ends_ns[kept], table.values[kept], table.coverage[kept]
        )


def labels_of(
    asset: str,
    events: Sequence[Event],
    verdicts: Sequence[Verdict],
    *,
    now_ns: int,
    lead_s: float,
) -> Labels:
    """Read the labels of an asset from its history, oldest first.

    An anomaly is noticed later than it begins: `lead_s` before it are left out, too.
    """
    found = [*_episodes(asset, events, now_ns), *_confirmed(asset, verdicts, now_ns)]
    for verdict in verdicts:
        if verdict.asset == asset:
            found = _judged(found, asset, verdict)
    done = [each for each in map(maintenance_of_event, events) if each is not None]
    own = (each for each in done if each.asset == asset)
    repairs = sorted(own, key=lambda each: each.at_ns)
    lead_ns = round(lead_s * 1e9)
    excluded, faults = [], []
    for episode in found:
        if episode.judged == FALSE:
            continue
        repair = next((r for r in repairs if r.at_ns >= episode.from_ns), None)
        ended = repair is not None and repair.at_ns <= episode.to_ns + _SLACK_NS
        until_ns, why = episode.to_ns, f"{episode.subject} stood"
        if episode.judged == TRUE:
            until_ns = now_ns if repair is None else repair.at_ns
            why = f"{episode.subject} was confirmed" + (
                ", and no repair is on record" if repair is None else ""
            )
        excluded.append(Span(episode.from_ns - lead_ns, until_ns, why))
        if episode.subject == ANOMALY and (ended or episode.judged == TRUE):
            faults.append(Span(episode.from_ns, episode.to_ns, why))
    for repair in repairs:
        if repair.since_ns is not None:
            why = f"until it was maintained: {repair.what}"
            excluded.append(Span(repair.since_ns - lead_ns, repair.at_ns, why))
    starts_ns = [e.time_ns for e in events if _is_start(e)]
    return Labels(
        tuple(sorted(set(excluded))), tuple(sorted(set(faults))), tuple(starts_ns)
    )


def _is_start(event: Event) -> bool:
    return event.kind is EventKind.SYSTEM and event.name == "started"


def _episodes(asset: str, events: Iterable[Event], now_ns: int) -> list[Episode]:
    """Return anomalies and alarms of an asset; what still stands lasts until now."""
    standing: dict[str, int] = {}
    found = []
    for event in events:
        subject = _subject(asset, event)
        if subject is None:
            continue
        if event.name in _BEGINS[event.kind]:
            standing.setdefault(subject, event.time_ns)
        elif event.name in _ENDS[event.kind] and subject in standing:
            found.append(Episode(subject, standing.pop(subject), event.time_ns))
    return found + [Episode(s, from_ns, now_ns) for s, from_ns in standing.items()]


def _subject(asset: str, event: Event) -> str | None:
    """Return what an event tells of the asset; None where it is not of that kind."""
    if event.kind is EventKind.ANOMALY:
        return ANOMALY if event.asset == asset else None
    own = event.asset == asset or (
        event.tag is not None and asset_of(event.tag) == asset
    )
    if event.kind is not EventKind.ALARM or not own:
        return None
    if event.details.get("rule") in {"source", "stale", "bad"}:
        return None  # of the measuring, not of the machine: its samples are bad
    return str(event.details.get("id") or "") or None


def _confirmed(asset: str, verdicts: Iterable[Verdict], now_ns: int) -> list[Episode]:
    """Return what a person confirmed to be a fault, whatever the events say."""
    return [
        Episode(each.subject or ANOMALY, each.since_ns, min(each.time_ns, now_ns))
        for each in verdicts
        if each.asset == asset and each.verdict == TRUE and each.since_ns is not None
    ]


def _judged(episodes: list[Episode], asset: str, verdict: Verdict) -> list[Episode]:
    """Write a verdict on what it is about; the last one on a thing counts."""
    subjects = {verdict.subject or ANOMALY}
    if verdict.tag == f"{asset}/{ANOMALY_SCORE}":
        subjects.add(ANOMALY)
    own = [each for each in episodes if each.subject in subjects]
    since_ns = verdict.since_ns
    if since_ns is None:
        begun = [each for each in own if each.from_ns <= verdict.time_ns]
        meant = [max(begun, key=lambda each: each.from_ns)] if begun else []
    else:
        meant = [
            each
            for each in own
            if each.from_ns - _SLACK_NS <= since_ns <= each.to_ns + _SLACK_NS
        ]
    return [
        replace(each, judged=verdict.verdict) if each in meant else each
        for each in episodes
    ]
