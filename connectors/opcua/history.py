"""HistoryRead: raw values of several nodes, page by page (Part 11)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from connectors.opcua.continuity import NS_PER_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.opcua.connection import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HISTORY_READ = int(ua.AccessLevel.HistoryRead)
_CONNECTION_ENDS = frozenset(
    {
        ua.StatusCodes.BadSessionIdInvalid,
        ua.StatusCodes.BadSessionClosed,
        ua.StatusCodes.BadSessionNotActivated,
        ua.StatusCodes.BadSecureChannelIdInvalid,
        ua.StatusCodes.BadSecureChannelClosed,
        ua.StatusCodes.BadConnectionClosed,
        ua.StatusCodes.BadServerHalted,
        ua.StatusCodes.BadShutdown,
    }
)


class HistoryRefusedError(Exception):
    """The server answers, but not with history; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status_name(status))
        self.status = status


class HistoryLateError(Exception):
    """The server did not answer in time; the connection lives."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A node, and the continuation point where its last page ended."""

    node: ua.NodeId
    point: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Raw values of one node, in order; `point` leads to the next page."""

    values: Sequence[ua.DataValue]
    point: bytes | None
    status: int


def status_name(status: int) -> str:
    """Return the standard's name of a status code."""
    return str(ua.status_codes.get_name_and_doc(status)[0])


def date_of(time_ns: int) -> datetime:
    """Return a time as OPC UA's library wants it, to the microsecond."""
    return _EPOCH + timedelta(microseconds=time_ns // NS_PER_US)


async def read_page(
    connection: Connection,
    asked: Sequence[Asked],
    *,
    from_ns: int,
    to_ns: int,
    rows: int,
    within_s: float,
) -> list[Page]:
    """Return one page of at most `rows` per node, both ends of the time included.

    From late to early if `to_ns` is before `from_ns`.

    Raises:
        HistoryRefusedError: The server does not read history, or not so much.
        HistoryLateError: No answer in time; live values go on.
        SourceUnavailableError: The connection is lost.
    """
    request = ua.HistoryReadRequest()
    request.Parameters = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=date_of(from_ns),
            EndTime=date_of(to_ns),
            NumValuesPerNode=rows,
            ReturnBounds=False,
        ),
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ReleaseContinuationPoints=False,
        NodesToRead=[
            ua.HistoryReadValueId(NodeId=each.node, ContinuationPoint=each.point)
            for each in asked
        ],
    )
    await connection.renew_if_due()
    results = await _answer(connection, request, within_s)
    if len(results) != len(asked):
        raise HistoryRefusedError(ua.StatusCodes.BadUnexpectedError)
    return [_page(result) for result in results]


async def keeps_history(
    connection: Connection, nodes: Sequence[ua.NodeId]
) -> list[bool]:
    """Tell which nodes' history we may read, as their access level says.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    wanted = [ua.ReadValueId(node, ua.AttributeIds.UserAccessLevel) for node in nodes]
    request = ua.ReadParameters(0, ua.TimestampsToReturn.Neither, wanted)
    with connection.guarded():
        answers = await connection.session.read(request)
    return [_may_read(answer) for answer in answers]


def _may_read(answer: ua.DataValue) -> bool:
    level = None if answer.Value is None else answer.Value.Value
    return isinstance(level, int) and bool(level >> _HISTORY_READ & 1)


async def _answer(
    connection: Connection, request: ua.HistoryReadRequest, within_s: float
) -> list[ua.HistoryReadResult]:
    """Ask, and let neither a refusal nor a slow historian end the connection."""
    refused: int | None = None
    late = False
    results: list[ua.HistoryReadResult] = []
    with connection.guarded():
        try:
            async with asyncio.timeout(within_s):
                data = await connection.session.request(request)
            answer = struct_from_binary(ua.HistoryReadResponse, data)
            answer.ResponseHeader.ServiceResult.check()
            results = answer.Results
        except TimeoutError:
            late = True
        except ua.UaStatusCodeError as error:
            if error.code in _CONNECTION_ENDS:
                raise
            refused = error.code
    if late:
        raise HistoryLateError
    if refused is not None:
        raise HistoryRefusedError(refused)
    return results


def _page(result: ua.HistoryReadResult) -> Page:
    found = result.HistoryData
    values = getattr(found, "DataValues", None) or ()
    return Page(
        values=values,
        point=result.ContinuationPoint or None,
        status=int(result.StatusCode.value),
    )
