"""What the plant tells its truth log, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim_plant import plc
from sim_plant.instruments import engineering
from sim_plant.tags import TRANSMITTERS, transmitter_index
from sim_plant.truth import TruthEntry

if TYPE_CHECKING:
    from sim_plant.faults import FaultProgress, PlantFault
    from sim_plant.instruments import TransmitterState
    from sim_plant.plc import PlcInputs, PlcState

_FAULT_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A limit whose crossing, as a client would read it, belongs in the truth log.

    Raises:
        KeyError: No transmitter has this tag.
    """

    tag: str
    limit: float
    index: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", transmitter_index(self.tag))

    def is_passed_by(self, measured: TransmitterState) -> bool:
        """Whether a client reads a good value above the limit."""
        presented = measured.presented
        value = engineering(TRANSMITTERS[self.index], presented)
        return not presented.failed and value > self.limit


@dataclass(frozen=True, slots=True)
class FaultReport:
    """What the log last said about a fault; `at_s` is None before it said anything."""

    at_s: float | None = None
    severity: float = 0.0


def plc_lines(
    before: PlcState, after: PlcState, inputs: PlcInputs, *, t_s: float
) -> tuple[TruthEntry, ...]:
    """What a scan did that the log must know."""
    lines = []
    if before.request_before and not inputs.run_permit_request:
        lines.append(TruthEntry(t_s, "stop_seen"))
    if after.watchdog_tripped and not before.watchdog_tripped:
        lines.append(TruthEntry(t_s, "watchdog_tripped"))
    if after.running and not before.running:
        lines.append(TruthEntry(t_s, "running"))
    cause = plc.stop_cause(before, after, inputs)
    if cause is not None:
        lines.append(TruthEntry(t_s, "stopped", {"cause": cause.value}))
    return tuple(lines)


def fault_lines(
    faults: tuple[PlantFault, ...],
    progress: tuple[FaultProgress, ...],
    reported: tuple[FaultReport, ...],
    *,
    t_s: float,
) -> tuple[tuple[FaultReport, ...], tuple[TruthEntry, ...]]:
    """A line at each fault's onset, then one a second while its severity changes."""
    reports, lines = [], []
    for fault, come, known in zip(faults, progress, reported, strict=True):
        if come.since_s is None or not _is_due(come, known, t_s):
            reports.append(known)
            continue
        reports.append(FaultReport(t_s, come.severity))
        fields: dict[str, str | float] = {
            "what": fault.what,
            "where": fault.where,
            "since_s": round(come.since_s, 6),
            "severity": round(come.severity, 6),
        }
        lines.append(TruthEntry(t_s, "fault", fields))
    return tuple(reports), tuple(lines)


def _is_due(come: FaultProgress, known: FaultReport, t_s: float) -> bool:
    if known.at_s is None:
        return True
    return t_s - known.at_s >= _FAULT_PERIOD_S and come.severity != known.severity


def mark_lines(
    marks: tuple[Mark, ...],
    before: tuple[bool, ...],
    after: tuple[bool, ...],
    *,
    t_s: float,
) -> tuple[TruthEntry, ...]:
    """A line for each limit that was passed, upwards or back."""
    lines = []
    for mark, was, now in zip(marks, before, after, strict=True):
        if was == now:
            continue
        fields: dict[str, str | float] = {"tag": mark.tag, "limit": mark.limit}
        if now:
            fields["since_s"] = round(t_s, 6)
        lines.append(TruthEntry(t_s, "mark" if now else "mark_cleared", fields))
    return tuple(lines)
