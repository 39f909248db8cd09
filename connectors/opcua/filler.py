"""Reads history on one connection, into holes: a page at a time, and not too fast."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua.continuity import together
from connectors.opcua.filling import Filling, historical
from connectors.opcua.history import (
    Asked,
    HistoryLateError,
    HistoryRefusedError,
    keeps_history,
    read_page,
    status_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from appliance.domain.batch import Batch
    from connectors.opcua.backfill import Backfill
    from connectors.opcua.connection import Connection
    from connectors.opcua.continuity import Hole
    from connectors.opcua.filling import Place
    from connectors.opcua.inbox import Inbox

_NODES_PER_CALL = 10
_TOGETHER_NS = 1_000_000_000
_AFTER_NS = 1_000_000  # a server may leave out the value at the end of the time asked
_LEAST_ROWS = 10
_OFF = "backfill is off"
_WAVEFORM = "waveforms are not read from history"
_NOT_THERE = "the server does not monitor it now"
_NOT_KEPT = "the server keeps no history of it"
_NOT_THAT_FAR = "the server's history does not reach that far back"
_LATE = "the server's history does not answer in time"
_POINT_LOST = frozenset(
    {
        ua.StatusCodes.BadNoContinuationPoints,
        ua.StatusCodes.BadContinuationPointInvalid,
    }
)


class Filler:
    """Reads history on one connection."""

    def __init__(
        self,
        backfill: Backfill,
        connection: Connection,
        places: Mapping[int, Place],
        *,
        inbox: Inbox,
        judge: Callable[[Batch], Batch],
    ) -> None:
        self._backfill = backfill
        self._settings = backfill.settings
        self._connection = connection
        self._places = places
        self._inbox = inbox
        self._judge = judge
        self._kept: dict[int, bool] = {}
        self._rows = self._settings.backfill_page_rows
        self._nodes_per_call = _NODES_PER_CALL

    async def fill(self, holes: list[Hole]) -> None:
        """Fill holes, as many together as possible; what is left goes back."""
        waiting = deque(holes)
        try:
            fillable = await self._fillable(waiting)
            waiting = deque(fillable)
            most = self._nodes_per_call
            for portion in together(fillable, most=most, within_ns=_TOGETHER_NS):
                for hole in portion:
                    waiting.remove(hole)
                await self._fill(portion)
        finally:
            self._backfill.put_back(waiting)

    async def _fillable(self, holes: Iterable[Hole]) -> list[Hole]:
        """Give up what history cannot fill, and return the rest."""
        holes = list(holes)
        if self._settings.backfill:
            await self._ask_for_access(holes)
        fillable = []
        for hole in holes:
            reason = self._reason_against(hole)
            if reason:
                self._backfill.give_up(hole, reason)
            else:
                fillable.append(hole)
        return fillable

    async def _ask_for_access(self, holes: Iterable[Hole]) -> None:
        numbers = dict.fromkeys(
            hole.number
            for hole in holes
            if hole.number in self._places and hole.number not in self._kept
        )
        unknown = list(numbers)
        for start in range(0, len(unknown), _NODES_PER_CALL):
            some = unknown[start : start + _NODES_PER_CALL]
            nodes = [self._places[number].node for number in some]
            answers = await keeps_history(self._connection, nodes)
            self._kept.update(zip(some, answers, strict=True))

    def _reason_against(self, hole: Hole) -> str:
        place = self._places.get(hole.number)
        if not self._settings.backfill:
            return _OFF
        if place is None:
            return _NOT_THERE
        if place.item.sample_rate_hz is not None:
            return _WAVEFORM
        return "" if self._kept[hole.number] else _NOT_KEPT

    async def _fill(self, portion: Sequence[Hole]) -> None:
        fillings = [Filling(hole, self._places[hole.number]) for hole in portion]
        try:
            await self._read_all(fillings)
            while fillings:
                await self._conclude(fillings[-1])
                fillings.pop()
        except HistoryLateError:
            self._rows = max(_LEAST_ROWS, self._rows // 2)
            for filling in fillings:
                self._try_again(filling, _LATE)
        except HistoryRefusedError as refusal:
            if len(fillings) > 1:
                # Perhaps it was only too much at once.
                self._nodes_per_call = 1
                self._backfill.put_back(filling.rest for filling in fillings)
                return
            for filling in fillings:
                self._backfill.give_up(filling.rest, str(refusal))
        except BaseException:
            self._backfill.put_back(filling.rest for filling in fillings)
            raise

    async def _read_all(self, fillings: Sequence[Filling]) -> None:
        from_ns = min(filling.hole.from_ns for filling in fillings)
        to_ns = max(filling.hole.to_ns for filling in fillings) + _AFTER_NS
        unread = list(fillings)
        while unread:
            pages = await read_page(
                self._connection,
                [Asked(filling.place.node, filling.point) for filling in unread],
                from_ns=from_ns,
                to_ns=to_ns,
                rows=self._rows,
                within_s=self._settings.backfill_timeout_s,
            )
            rows = [
                (filling.place, value)
                for filling, page in zip(unread, pages, strict=True)
                for value in filling.take(page, self._rows)
            ]
            await self._deliver(rows)
            for filling in unread:
                filling.delivered()
            await self._rest(len(rows))
            unread = [filling for filling in unread if filling.more]

    async def _deliver(self, rows: Sequence[tuple[Place, ua.DataValue]]) -> None:
        """Hand rows on when no live value waits."""
        if not rows:
            return
        clock = self._backfill.clock
        batch = historical(rows, receive_ns=clock.utc_ns())
        await self._inbox.offer(self._judge(batch))
        self._backfill.filled += len(rows)

    async def _rest(self, rows: int) -> None:
        """Be no faster than is allowed."""
        await self._backfill.clock.sleep(rows / self._settings.backfill_rows_per_s)

    async def _conclude(self, filling: Filling) -> None:
        """Decide what becomes of a hole after its last page."""
        if filling.status:
            self._explain(filling)
            return
        hole = filling.hole
        if hole.tries == 0 and not filling.reaches_back:
            await self._look_back(filling)
        if filling.cut_short:
            if filling.first_ns is None:
                self._backfill.give_up(filling.rest, _LATE)
            else:
                self._backfill.put_back([filling.rest])
        elif not filling.is_whole:
            # A historian may write a little late; one that samples by itself never
            # has the very value that ended the hole, and is believed in the end.
            self._backfill.try_again(filling.rest)

    def _explain(self, filling: Filling) -> None:
        reason = status_name(filling.status)
        if filling.status in _POINT_LOST:
            self._nodes_per_call = 1
            self._try_again(filling, reason)
        else:
            self._backfill.give_up(filling.rest, reason)

    def _try_again(self, filling: Filling, reason: str) -> None:
        if not self._backfill.try_again(filling.rest):
            self._backfill.give_up(filling.rest, reason)

    async def _look_back(self, filling: Filling) -> None:
        """Give up the part of a hole that lies before all history."""
        hole = filling.hole
        (page,) = await read_page(
            self._connection,
            [Asked(filling.place.node)],
            from_ns=hole.from_ns,
            to_ns=0,
            rows=1,
            within_s=self._settings.backfill_timeout_s,
        )
        if page.status >> 31 or page.values:
            return
        end_ns = hole.to_ns if filling.first_ns is None else filling.first_ns
        self._backfill.give_up(replace(hole, to_ns=end_ns), _NOT_THAT_FAR)
