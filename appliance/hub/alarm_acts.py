"""What people may ask of the alarms, by name; each act is on record with its user.

An alarm's id is given as `alarm`. Acts answer the numbers of their events, when those
are committed.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from appliance.alarms.acts import Acknowledge, PutBack, Reset, Shelve, TakeOut, Unshelve
from appliance.alarms.engine import UnknownAlarmError
from appliance.alarms.lifecycle import NotPossibleError
from appliance.alarms.listing import LIMIT, Filter
from appliance.alarms.metrics import recomputed
from appliance.domain.event import EventKind
from appliance.domain.verdict import VERDICTS, verdict_event
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.storage.connection import StoreOpenError, StoreUnavailableError
from appliance.storage.reader import BufferReader, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from appliance.alarms.acts import Act
    from appliance.alarms.engine import AlarmEngine
    from appliance.alarms.metrics import Metrics
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.hub.assets import Assets
    from appliance.hub.recorder import EventRecorder
    from appliance.link.server import LinkServer, Operation, Peer

_Result = TypeVar("_Result")

_EVENTS_MAX = 500
_TEXT_MAX = 2000


class AlarmActs:
    """The hub's operations on alarms. `offer` registers them, each with its role.

    `metrics` are the figures since the hub's start; what is older is read from
    `buffer`. A verdict may be on one of the `assets` too.
    """

    def __init__(
        self,
        alarms: AlarmEngine,
        *,
        recorder: EventRecorder,
        clock: Clock,
        assets: Assets,
        metrics: Metrics,
        buffer: Path,
    ) -> None:
        self._alarms = alarms
        self._recorder = recorder
        self._clock = clock
        self._assets = assets
        self._metrics = metrics
        self._buffer = buffer

    def offer(self, server: LinkServer) -> None:
        """Register every operation."""
        server.operation("alarms.list", self._list)
        server.operation("alarms.overview", self._overview)
        server.operation("alarms.kpi", self._kpi)
        server.operation("events.recent", self._recent)
        server.operation("alarms.verdict", self._verdict, role=Role.OPERATOR)
        for name, role, make in (
            ("acknowledge", Role.OPERATOR, lambda _args: Acknowledge()),
            ("reset", Role.OPERATOR, lambda _args: Reset()),
            ("shelve", Role.OPERATOR, _shelve_of),
            ("unshelve", Role.OPERATOR, lambda _args: Unshelve()),
            ("out_of_service", Role.MAINTAINER, _take_out_of),
            ("in_service", Role.MAINTAINER, lambda _args: PutBack()),
        ):
            server.operation(f"alarms.{name}", self._act(make), role=role)

    async def _list(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        only = Filter(
            standing=bool(args.get("standing")),
            asset=str(args.get("asset", "")),
            tag=str(args.get("tag", "")),
            limit=min(max(int(args.get("limit", LIMIT)), 1), LIMIT),
        )
        now_s, utc_ns = self._clock.now_s(), self._clock.utc_ns()
        return self._alarms.table(now_s=now_s, utc_ns=utc_ns, only=only)

    async def _overview(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        now_s, utc_ns = self._clock.now_s(), self._clock.utc_ns()
        return self._alarms.overview(now_s=now_s, utc_ns=utc_ns)

    async def _kpi(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        """Since the hub's start as counted live, or of a time as the journal has it."""
        now_ns = self._clock.utc_ns()
        if args.get("from_ns") is None:
            return self._metrics.figures(now_ns)
        to_ns = args.get("to_ns")
        span = int(args["from_ns"]), now_ns if to_ns is None else int(to_ns)
        return await self._read(partial(figures_of, from_ns=span[0], to_ns=span[1]))

    async def _recent(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        before = args.get("before_seq")
        found = await self._read(
            partial(
                BufferReader.recent_events,
                limit=min(max(int(args.get("limit", 200)), 1), _EVENTS_MAX),
                before_seq=None if before is None else int(before),
                kinds=[str(kind) for kind in args.get("kinds") or ()],
                alarm=_text(args, "alarm"),
            )
        )
        return {"events": [{"seq": seq, **asdict(event)} for seq, event in found]}

    async def _read(self, work: Callable[[BufferReader], _Result]) -> _Result:
        """Read what is committed beside the writer, on a thread."""

        def reading() -> _Result:
            with open_reader(self._buffer) as reader:
                return work(reader)

        try:
            return await asyncio.to_thread(reading)
        except StoreOpenError as error:
            raise RefusedError(str(error)) from error

    def _act(self, make: Callable[[Mapping[str, Any]], Act]) -> Operation:
        async def act(args: Mapping[str, Any], peer: Peer) -> Any:  # noqa: ANN401 - msgpack
            alarm = str(args["alarm"])
            try:
                events = self._alarms.act(
                    alarm,
                    make(args),
                    actor=peer.name,
                    reason=_text(args, "reason"),
                    now_s=self._clock.now_s(),
                    utc_ns=self._clock.utc_ns(),
                )
            except (UnknownAlarmError, NotPossibleError) as error:
                raise RefusedError(f"{alarm}: {error}") from error
            return await self._record(events)

        return act

    async def _verdict(self, args: Mapping[str, Any], peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        subject, note = str(args["alarm"]), _text(args, "note")
        verdict = str(args["verdict"]).lower()
        if verdict not in VERDICTS:
            raise RefusedError(f"a verdict is one of {', '.join(VERDICTS)}")
        utc_ns = self._clock.utc_ns()
        if self._assets.knows(subject):
            event = verdict_event(
                subject,
                verdict,
                note=note,
                actor=peer.name,
                utc_ns=utc_ns,
                since_ns=self._assets.since_ns(subject),
            )
            return await self._record([event])
        try:
            event = self._alarms.judge(
                subject,
                verdict,
                note=note,
                actor=peer.name,
                now_s=self._clock.now_s(),
                utc_ns=utc_ns,
            )
        except UnknownAlarmError as error:
            raise RefusedError(str(error)) from error
        return await self._record([event])

    async def _record(self, events: Sequence[Event]) -> Any:  # noqa: ANN401 - msgpack
        """A person is told "done" when it is committed, not before."""
        try:
            return {"seq": [await self._recorder.record(event) for event in events]}
        except StoreUnavailableError as error:
            raise RefusedError(
                f"it is done, but not yet on record, and would not survive: {error}"
            ) from error


def figures_of(reader: BufferReader, from_ns: int, to_ns: int) -> dict[str, Any]:
    """Return the figures of a time as the journal has them."""
    return recomputed(reader.events_of_kind(EventKind.ALARM), from_ns, to_ns)


def _text(args: Mapping[str, Any], key: str) -> str:
    return str(args.get(key) or "")[:_TEXT_MAX]


def _take_out_of(args: Mapping[str, Any]) -> TakeOut:
    if not _text(args, "reason").strip():
        raise RefusedError("say why: an alarm out of service needs a reason")
    return TakeOut()


def _shelve_of(args: Mapping[str, Any]) -> Shelve:
    return Shelve(float(args["for_s"]), bool(args.get("one_shot")))
