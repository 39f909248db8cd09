"""Everything the window knows, from the messages of the link alone. Pure.

Time is an argument: `Now` carries the monotonic clock, for ages, and the wall clock,
for labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.dashboard.eventlog import EventLog
from appliance.dashboard.guard import Guard, guard_of
from appliance.dashboard.kpis import Kpis, kpis_of
from appliance.dashboard.limits import Limit, limits_by_tag
from appliance.dashboard.machines import Asset, assets_of
from appliance.dashboard.readings import TRAIL_STEP_S, Readings
from appliance.dashboard.roster import is_flood
from appliance.dashboard.shelf import Shelf
from appliance.dashboard.standing import Alarm, standing
from appliance.wire.messages import EventMessage, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.wire.messages import BatchMessage, Hello

HUB, SAFETY = "hub", "safety"
_STRANGE = (AttributeError, KeyError, TypeError, ValueError)
STATUS_OLD_S = 6.0
"""A status older than this is said to be old."""


@dataclass(frozen=True, slots=True)
class Now:
    """This moment on both clocks."""

    s: float
    utc_ns: int


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether a process answers, since when, and the last reason why not."""

    up: bool = False
    since_s: float | None = None
    reason: str = "not connected yet"
    epoch: str = ""

    @property
    def why(self) -> str:
        """The reason without the path that it is about."""
        return self.reason.rsplit(": ", 1)[-1]


@dataclass(frozen=True, slots=True)
class History:
    """The past of one tag, as the hub's store has it; NaN where it was bad.

    `quality` is 0 for bad, 1 for uncertain, 2 for good.
    """

    tag: str
    from_ns: int
    to_ns: int
    source_time_ns: tuple[int, ...]
    value: tuple[float, ...]
    quality: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A declared gap: nothing was, or is, there, and why."""

    reason: str
    from_ns: int
    to_ns: int


@dataclass(slots=True)
class Plant:
    """The state of the view. Only the application's message handlers call `take_*`."""

    links: dict[str, LinkState] = field(
        default_factory=lambda: {HUB: LinkState(), SAFETY: LinkState()}
    )
    readings: Readings = field(default_factory=Readings)
    alarms: tuple[Alarm, ...] = ()
    guard: Guard = field(default_factory=Guard)
    guard_at_s: float | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    status_at_s: float | None = None
    outbox: Mapping[str, Any] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    missing: dict[str, tuple[Missing, ...]] = field(default_factory=dict)
    events: EventLog = field(default_factory=EventLog)
    machine: Mapping[str, Any] = field(default_factory=dict)
    alarm_overview: Mapping[str, Any] = field(default_factory=dict)
    kpis: Kpis | None = None
    shelf: Shelf = field(default_factory=Shelf)
    limits: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    tripped_at_ns: dict[str, int] = field(default_factory=dict)
    lost_batches: int = 0
    _trails_s: float | None = None
    _assets: tuple[Now, tuple[Asset, ...]] | None = None

    def take_hello(self, process: str, hello: Hello, now: Now) -> None:
        """A process answers again."""
        self._assets = None
        self.links[process] = LinkState(
            up=True, since_s=now.s, reason="", epoch=hello.epoch
        )
        if process == HUB:
            self.readings.know(hello.tags)
            self.readings.linked = True

    def take_loss(self, process: str, reason: str, now: Now) -> None:
        """A process is gone: from this moment nothing of it is fresh."""
        self._assets = None
        link = self.links[process]
        since_s = now.s if link.up or link.since_s is None else link.since_s
        self.links[process] = replace(link, up=False, since_s=since_s, reason=reason)
        if process == HUB:
            self.readings.linked = False

    def take_batch(self, batch: BatchMessage, now: Now) -> bool:
        """Take values; return False if the tag table is out of date.

        Raises:
            WireError: It is broken.
        """
        self._assets = None
        return self.readings.take(batch, now_s=now.s, utc_ns=now.utc_ns)

    def take_event(self, event: EventMessage) -> None:
        """Take an event; its committed copy replaces the pending one."""
        self.events.take(event)
        if event.kind == "trip" and event.name in {"first_out", "restored"}:
            self.tripped_at_ns[str(event.details.get("element"))] = event.time_ns

    def take_answer(self, op: str, result: Any, now: Now) -> None:  # noqa: ANN401 - msgpack
        """Take the hub's or safety's answer to what is asked regularly.

        Raises:
            WireError: It is not such an answer; nothing of it was taken.
        """
        self._assets = None
        try:
            self._take_answer(op, result, now)
        except (*_STRANGE, msgspec.MsgspecError) as error:
            raise WireError(f"a strange answer to {op}: {error!r}") from error

    def _take_answer(self, op: str, result: Any, now: Now) -> None:  # noqa: ANN401 - msgpack
        match op:
            case "alarms.list":
                self.alarms = standing(result)
            case "status" if result.get("process") == SAFETY:
                self.guard = guard_of(result, self._meanings())
                self.guard_at_s = now.s
            case "status":
                self.status, self.status_at_s = result, now.s
            case "outbox.status":
                self.outbox = result
            case "describe":
                self.readings.limit_ages(_age_limits(result))
                self.limits = limits_by_tag(result)
                self.description = result
            case _:
                self._take_more(op, result)

    def _take_more(self, op: str, result: Any) -> None:  # noqa: ANN401 - msgpack
        match op:
            case "events.since":
                for event in msgspec.convert(result, tuple[EventMessage, ...]):
                    self.take_event(event)
            case "events.recent":
                self.events.take_page(result)
            case "alarms.overview":
                self.alarm_overview = dict(result)
            case "alarms.kpi":
                self.kpis = kpis_of(result)
            case "machine":
                self.machine = dict(result)

    def take_history(self, history: History) -> None:
        """Take the past of a tag."""
        self.histories[history.tag] = history

    def take_missing(self, tag: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the gaps that are declared within the time a tag is looked at."""
        self.missing[tag] = tuple(
            Missing(str(row["reason"]), int(row["from_ns"]), int(row["to_ns"]))
            for row in rows
        )

    def pass_time(self, now: Now) -> None:
        """Let time pass: trails grow in equal steps, gaps included."""
        if self._trails_s is None or now.s - self._trails_s >= TRAIL_STEP_S:
            self._trails_s = now.s
            self.readings.extend_trails(now.s)

    def assets(self, now: Now) -> tuple[Asset, ...]:
        """Return the assets, the worst first."""
        if self._assets is None or self._assets[0] != now:
            self._assets = now, self._assets_at(now)
        return self._assets[1]

    def _assets_at(self, now: Now) -> tuple[Asset, ...]:
        told = (self.status.get("processes") or {}).get("inference") or {}
        modes = (told.get("modes") or {}) if self.links[HUB].up else {}
        return assets_of(
            self.description, self.readings, self.alarms, modes, now_s=now.s
        )

    def asset(self, name: str, now: Now) -> Asset | None:
        """Return one asset."""
        return next((each for each in self.assets(now) if each.id == name), None)

    def alarm(self, alarm_id: str | None) -> Alarm | None:
        """Return a standing alarm, or None."""
        return next((each for each in self.alarms if each.id == alarm_id), None)

    def flooded(self, now: Now) -> bool:
        """Whether more alarms come than a person can take: the hub's word, if known."""
        told = self.alarm_overview.get("flood")
        return is_flood(self.alarms, now.utc_ns) if told is None else bool(told)

    @property
    def place(self) -> str:
        """Site and gateway, where they are known."""
        names = (self.description.get("site"), self.description.get("gateway"))
        return "/".join(str(name) for name in names if name)

    @property
    def machine_stopped_by(self) -> tuple[str, int | None]:
        """The tripped element's first-out, and when; empty while nothing is tripped."""
        for element in self.guard.elements:
            if element.tripped:
                return element.first_out, self.tripped_at_ns.get(element.id)
        return self.guard.first_out, None

    def _meanings(self) -> dict[str, Any]:
        rows: Sequence[Mapping[str, Any]] = self.description.get("initiators") or ()
        return {str(row.get("id")): row for row in rows}


def history_of(
    tag: str, result: Mapping[str, Any], span_ns: tuple[int, int]
) -> History:
    """Return the hub's answer to `history`; what was not good is NaN."""
    nan = float("nan")
    return History(
        tag=tag,
        from_ns=span_ns[0],
        to_ns=span_ns[1],
        source_time_ns=tuple(result["source_time_ns"]),
        value=tuple(
            nan if value is None or not quality else float(value)
            for value, quality in zip(result["value"], result["quality"], strict=True)
        ),
        quality=tuple(int(quality) for quality in result["quality"]),
    )


def _age_limits(description: Mapping[str, Any]) -> dict[str, float]:
    limits = {
        str(source["name"]): float(source["stale_after_s"])
        for source in description.get("sources") or ()
    }
    for asset in description.get("assets") or ():
        limit_s = float(asset.get("derived_stale_after_s") or 0.0)
        if limit_s > 0.0:
            limits[f"inference.{asset['id']}"] = max(limit_s, 5.0)
    return limits
