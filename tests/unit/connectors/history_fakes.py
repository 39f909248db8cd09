"""A connection whose server has history, without a network."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.tag import Tag, parse_tag_id
from connectors.opcua.continuity import NS_PER_US
from connectors.opcua.filling import Place
from connectors.opcua.notification import Item
from connectors.opcua.values import time_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

READABLE = 1 | 1 << ua.AccessLevel.HistoryRead
Truth = dict[int, list[tuple[int, float]]]
"""By tag number: source times (ns, whole microseconds) and values, oldest first."""


def node_of(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number + 1), ua.Int16(2))


def place_of(number: int, *, rate_hz: float | None = None) -> Place:
    tag = Tag(parse_tag_id(f"rig/{number}"))
    return Place(node_of(number), Item(tag, number, rate_hz))


def places_for(truth: Truth) -> dict[int, Place]:
    return {number: place_of(number) for number in truth}


class FakeSession:
    """Answers Read of access levels and HistoryRead from `truth`.

    `before_answer` may raise what goes wrong; `statuses` refuses single nodes,
    `levels` are access levels where they are not `READABLE`. At most `page_rows` values
    come at once, with a continuation point if `gives_points`.
    """

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.page_rows = 1000
        self.gives_points = True
        self.before_answer: Callable[[ua.HistoryReadRequest], None] = lambda _: None
        self.statuses: dict[int, int] = {}
        self.levels: dict[int, int] = {}
        self.asked: list[ua.HistoryReadRequest] = []

    async def read(self, request: ua.ReadParameters) -> list[ua.DataValue]:
        await asyncio.sleep(0)
        return [
            ua.DataValue(
                ua.Variant(
                    self.levels.get(each.NodeId.Identifier - 1, READABLE),
                    ua.VariantType.Byte,
                )
            )
            for each in request.NodesToRead
        ]

    async def request(self, request: ua.HistoryReadRequest) -> Buffer:
        await asyncio.sleep(0)
        self.asked.append(request)
        self.before_answer(request)
        details = request.Parameters.HistoryReadDetails
        response = ua.HistoryReadResponse()
        response.Results = [
            self._result(each, details) for each in request.Parameters.NodesToRead
        ]
        return Buffer(struct_to_binary(response))

    def _result(self, asked: Any, details: Any) -> ua.HistoryReadResult:  # noqa: ANN401 - the library's own
        number = asked.NodeId.Identifier - 1
        if number in self.statuses:
            status = ua.StatusCode(ua.UInt32(self.statuses[number]))
            return ua.HistoryReadResult(StatusCode=status)
        begin, end = _ns(details.StartTime), _ns(details.EndTime)
        if asked.ContinuationPoint:
            begin = int(asked.ContinuationPoint)
        shown = [row for row in self.truth[number] if _between(row[0], begin, end)]
        shown.sort(reverse=begin > end)
        size = min(details.NumValuesPerNode or self.page_rows, self.page_rows)
        page, rest = shown[:size], shown[size:]
        point = str(rest[0][0]).encode() if rest and self.gives_points else None
        return ua.HistoryReadResult(
            ContinuationPoint=point,
            HistoryData=ua.HistoryData(DataValues=[data_value(*row) for row in page]),
        )


class FakeConnection:
    """What history needs of a connection."""

    def __init__(self, session: FakeSession) -> None:
        self.session = session

    async def renew_if_due(self) -> None:
        """It never expires."""

    @contextmanager
    def guarded(self) -> Iterator[None]:
        try:
            yield
        except (SourceUnavailableError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise SourceUnavailableError(repr(error)) from error


def data_value(source_ns: int, value: float) -> ua.DataValue:
    when = ua.DateTime.fromtimestamp(0, UTC) + timedelta(
        microseconds=source_ns // NS_PER_US
    )
    return ua.DataValue(
        ua.Variant(value, ua.VariantType.Double),
        SourceTimestamp=when,
        ServerTimestamp=when,
    )


def _ns(when: Any) -> int:  # noqa: ANN401 - a datetime of the library
    return time_ns(when) or 0


def _between(time: int, begin: int, end: int) -> bool:
    return min(begin, end) <= time <= max(begin, end)


def rows_of(truth: Mapping[int, Sequence[tuple[int, float]]]) -> set[tuple[int, int]]:
    return {(number, time) for number, rows in truth.items() for time, _ in rows}
