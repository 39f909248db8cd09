"""What may be asked of safety on its socket, and by whom."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from appliance.domain.sample import STATUS_GOOD, Quality, Sample
from appliance.domain.tag import TagId
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.safety.channel import Reading
from appliance.safety.claim import CLAIM, STANDING_DOWN, matrix_rows
from appliance.safety.desk import Answer
from appliance.safety.maintenance import Handover, Phase
from appliance.safety.row import BYPASS_HARD_S, Bypass, channels_of
from appliance.safety.status import status
from appliance.safety.turn import Commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config import InitiatorSettings
    from appliance.domain.ports import Clock
    from appliance.link.server import LinkServer, Peer
    from appliance.safety.desk import Desk
    from appliance.safety.journal import Journal
    from appliance.safety.scan import Scan
    from appliance.safety.turn import Matrix
    from appliance.wire.messages import EventMessage

COMMIT_WITHIN_S = 5.0
CONSENT_WITHIN_S = 5.0
"""So long the PLC may take to consent; then it is asked no longer."""
_LOOK_AGAIN_S = 0.02
BYPASS_DEFAULT_S = 8 * 3600.0
_TEXT_MAX = 200


class Operations:
    """The operations of safety's link, and the role that each needs."""

    def __init__(
        self,
        matrix: Matrix,
        scan: Scan,
        *,
        desk: Desk,
        journal: Journal,
        clock: Clock,
        realtime: str,
        bypass_longest_s: float = BYPASS_DEFAULT_S,
    ) -> None:
        self._matrix = matrix
        self._rows = {row.id: row for row in matrix.rows}
        self._scan = scan
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._realtime = realtime
        self._bypass_longest_s = bypass_longest_s
        self._model_times: dict[str, int] = {}

    def offer(self, link: LinkServer) -> None:
        """Register all operations; a stop needs no role."""
        link.operation("status", self._status)
        link.operation("events.since", self._events_since)
        link.operation("stop", self._stop)
        link.operation("reset", self._reset, role=Role.OPERATOR)
        link.operation("demand", self._demand, role=Role.OPERATOR, processes=("hub",))
        link.operation("bypass", self._bypass, role=Role.MAINTAINER)
        link.operation("unbypass", self._unbypass, role=Role.MAINTAINER)
        link.operation("maintenance.begin", self._begin, role=Role.MAINTAINER)
        link.operation("maintenance.end", self._end, role=Role.MAINTAINER)
        link.operation("mode", self._mode, role=Role.SUPERVISOR)

    async def _status(self, _args: Mapping[str, Any], _peer: Peer) -> dict[str, Any]:
        return status(
            self._matrix,
            self._scan,
            self._journal,
            now_s=self._clock.now_s(),
            realtime=self._realtime,
        )

    async def _events_since(
        self, args: Mapping[str, Any], _peer: Peer
    ) -> list[EventMessage]:
        """Committed events above `seq`, as far as they are kept; oldest first."""
        return list(self._journal.since(int(args["seq"])))

    async def _stop(self, args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        reason = _text(args.get("reason") or "operator's stop")
        answer = await self._desk.ask(Commands(stop=reason, actor=peer.name))
        armed = self._scan.state.armed
        note = "" if armed else "mode is observe: nothing is written"
        return {**await self._accepted(answer), "note": note}

    async def _reset(self, args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        elements = args.get("elements")
        names = {each.id for each in self._matrix.elements}
        wanted = names if elements is None else {str(each) for each in elements}
        if not wanted or not wanted <= names:
            raise RefusedError(f"no such element; known: {', '.join(sorted(names))}")
        if elements is None:  # those that run need none
            latches = self._scan.state.latches
            wanted = {each for each in names if latches[each].tripped} or names
        commands = Commands(reset=frozenset(wanted), actor=peer.name)
        answer = await self._desk.ask(commands)
        if answer.refusals:
            raise RefusedError("; ".join(answer.refusals))
        return await self._accepted(answer)

    async def _bypass(self, args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        row = self._row(args)
        channel = args.get("channel")
        if channel is not None and channel not in channels_of(row):
            raise RefusedError(f"{row.id} has no channel {channel!r}")
        reason = _text(args.get("reason", ""))
        if not reason:
            raise RefusedError("a bypass needs a reason")
        longest_s = self._bypass_longest_s
        length_s = float(args.get("length_s", min(longest_s, BYPASS_DEFAULT_S)))
        if not 0 < length_s <= BYPASS_HARD_S:
            raise RefusedError(f"a bypass lasts at most {BYPASS_HARD_S:g} s")
        if length_s > longest_s and peer.role < Role.SUPERVISOR:
            raise RefusedError(f"above {longest_s:g} s it takes a supervisor")
        if self._scan.state.rows[row.id].bypass is not None:
            raise RefusedError(f"{row.id} has its one bypass already")
        until_s = self._clock.now_s() + length_s
        bypass = Bypass(row.id, channel, until_s, peer.name, reason)
        answer = await self._desk.ask(Commands(bypasses=(bypass,), actor=peer.name))
        if answer.refusals:
            raise RefusedError("; ".join(answer.refusals))
        return {**await self._accepted(answer), "length_s": length_s}

    async def _unbypass(self, args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        row = self._row(args)
        if self._scan.state.rows[row.id].bypass is None:
            raise RefusedError(f"{row.id} is not bypassed")
        commands = Commands(unbypass=frozenset({row.id}), actor=peer.name)
        return await self._accepted(await self._desk.ask(commands))

    async def _mode(self, args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        mode = args["mode"]
        if mode not in {"observe", "armed"}:
            raise RefusedError("a mode is observe or armed")
        arm = mode == "armed"
        if arm and not (self._matrix.rows and self._matrix.elements):
            raise RefusedError("the matrix is empty: there is nothing to arm")
        unread = tuple(self._never_good()) if arm and not self._scan.state.armed else ()
        if unread:
            raise RefusedError(f"{', '.join(unread)} was never good: nothing is armed")
        answer = await self._desk.ask(Commands(arm=arm, actor=peer.name))
        return {
            **await self._accepted(answer),
            "mode": mode,
            "claim": CLAIM if arm else STANDING_DOWN,
            "matrix": matrix_rows(self._matrix),
        }

    def _never_good(self) -> Iterator[str]:
        """Yield the channels that have proved nothing in this life."""
        for row in self._matrix.rows:
            channels = self._scan.state.rows[row.id].channels
            for name, channel in zip(row.channels, channels, strict=False):
                if channel.good_at_s is None:
                    yield name

    async def _begin(self, args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        """Hand the machine over to the PLC; answer when it consents, or not in time."""
        reason = _text(args.get("reason") or "")
        if not reason:
            raise RefusedError("a reason is needed")
        rules = self._matrix.maintenance
        longest_s = math.inf if rules is None else rules.longest_s
        length_s = float(args.get("length_s") or longest_s)
        until_s = self._clock.now_s() + length_s
        wanted = Handover(peer.name, reason, until_s)
        answer = await self._desk.ask(Commands(hand_over=wanted, actor=peer.name))
        if answer.refusals:
            raise RefusedError("; ".join(answer.refusals))
        if not await self._is_granted():
            await self._desk.ask(Commands(resume=True, actor=peer.name))
            raise RefusedError("the PLC does not consent; nothing is handed over")
        granted = Answer((), self._journal.last_seq)
        return {**await self._accepted(granted), "length_s": length_s}

    async def _is_granted(self) -> bool:
        """Wait for the PLC's consent, as long as the hand-over stands."""
        patience_s = self._clock.now_s() + CONSENT_WITHIN_S
        while self._clock.now_s() < patience_s:
            standing = self._scan.state.handover
            if standing is None or standing.phase is Phase.GRANTED:
                return standing is not None
            await self._clock.sleep(_LOOK_AGAIN_S)
        return False

    async def _end(self, _args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        if self._scan.state.handover is None:
            raise RefusedError("nothing is handed over")
        answer = await self._desk.ask(Commands(resume=True, actor=peer.name))
        return await self._accepted(answer)

    async def _demand(self, args: Mapping[str, Any], _peer: Peer) -> dict[str, Any]:
        """A model's word. The same source time again confirms nothing."""
        row = self._row(args, key="row")
        if row.source != "model":
            raise RefusedError(f"{row.id} is not a model's row")
        source_time_ns, value = int(args["source_time_ns"]), float(args["value"])
        news = self._model_times.get(row.id) != source_time_ns
        if news:
            self._model_times[row.id] = source_time_ns
            sample = _model_sample(row, value, source_time_ns, self._clock.utc_ns())
            self._desk.put_model(row.id, Reading(sample, self._clock.now_s()))
        return {"accepted": news}

    def _row(
        self, args: Mapping[str, Any], *, key: str = "initiator"
    ) -> InitiatorSettings:
        row = self._rows.get(args[key])
        if row is None:
            raise RefusedError(f"no initiator {args[key]!r}")
        return row

    async def _accepted(self, answer: Answer) -> dict[str, Any]:
        """Wait for the disk: a person is told what holds, and whether it is durable."""
        committed = await self._journal.wait_committed(
            answer.seq, within_s=COMMIT_WITHIN_S
        )
        return {
            "accepted": True,
            "committed": committed,
            "seq": answer.seq,
            "trouble": self._journal.trouble,
        }


def _model_sample(
    row: InitiatorSettings, value: float, source_time_ns: int, now_ns: int
) -> Sample:
    finite = math.isfinite(value)
    return Sample(
        tag=TagId(row.id),  # a row is no tag; here the name is a key alone
        value=value,
        quality=Quality.GOOD if finite else Quality.BAD,
        status=STATUS_GOOD,
        source_time_ns=source_time_ns,
        receive_time_ns=now_ns,
    )


def _text(given: object) -> str:
    """Return what a person wrote, on one line and no longer than an event may be."""
    return " ".join(str(given).split())[:_TEXT_MAX]
