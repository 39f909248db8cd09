"""The words of a scan: what was, what is read and wanted, what comes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import (
        Config,
        ElementSettings,
        InitiatorSettings,
        MaintenanceSettings,
    )
    from appliance.domain.event import Event
    from appliance.safety.channel import Reading
    from appliance.safety.latch import Latch, Report
    from appliance.safety.maintenance import Handover
    from appliance.safety.row import Bypass, RowState


@dataclass(frozen=True)
class Matrix:
    """Causes and effects: rows, columns, and which row stops which column.

    `maintenance`: how the PLC consents to a restart of ours, if it may.
    """

    rows: tuple[InitiatorSettings, ...]
    elements: tuple[ElementSettings, ...]
    stops: Mapping[str, tuple[str, ...]]
    maintenance: MaintenanceSettings | None = None

    def rows_of(self, element: str) -> tuple[InitiatorSettings, ...]:
        """Return the initiators that stop an element, in the order of the matrix."""
        return tuple(row for row in self.rows if element in self.stops.get(row.id, ()))

    @cached_property
    def listened(self) -> tuple[str, ...]:
        """Tags that no row judges, but that count."""
        tags = [each.feedback for each in self.elements if each.feedback is not None]
        tags += [p.tag for each in self.elements for p in each.permissives]
        if self.maintenance is not None:
            tags.append(self.maintenance.granted)
        return tuple(dict.fromkeys(tags))

    @property
    def longest_pause_s(self) -> float:
        """A longer pause between scans leaves some initiator unproved for too long."""
        budgets_s = (
            row.max_age_s + row.comms_loss_delay_s
            for row in self.rows
            if row.source == "field"
        )
        return min(budgets_s, default=float("inf"))


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is remembered from scan to scan.

    `heard` is the newest news of each tag that no row judges: of feedbacks, of
    permissives and of the PLC's consent. `handover` stands while one does.
    """

    rows: Mapping[str, RowState]
    latches: Mapping[str, Latch]
    heard: Mapping[str, Reading] = field(default_factory=dict)
    armed: bool = False
    reset_before: frozenset[str] = frozenset()
    scanned_at_s: float | None = None
    handover: Handover | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What arrived since the last scan: by tag, from models by row, from outputs."""

    tags: Mapping[str, Reading] = field(default_factory=dict)
    models: Mapping[str, Reading] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commands:
    """What people want in this scan. All are levels; only a reset's edge counts.

    `stop` says why. `reset` names elements. `arm` is None to leave the mode as it is.
    `hand_over` asks for a restart by the PLC's consent, `resume` takes that back.
    `actor` is who wants the stop, the reset, the mode or the resumption.
    """

    stop: str = ""
    reset: frozenset[str] = frozenset()
    actor: str = ""
    arm: bool | None = None
    bypasses: tuple[Bypass, ...] = ()
    unbypass: frozenset[str] = frozenset()
    hand_over: Handover | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What an element shall be told: its run point, and whether to beat its heart.

    `hold`: nothing at all, because the PLC has it until a hand-over is decided.
    """

    may_run: bool
    beat: bool
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """The outcome of one scan; `refusals` say why what was asked for is refused.

    `request` is what the maintenance point shall be; None: leave it as it is.
    """

    state: State
    orders: Mapping[str, Order]
    events: tuple[Event, ...]
    refusals: tuple[str, ...] = ()
    request: bool | None = None


def matrix_of(config: Config) -> Matrix:
    """Return the cause-and-effect matrix of a configuration."""
    return Matrix(
        config.initiators,
        config.elements,
        dict(config.matrix),
        config.safety.maintenance,
    )
