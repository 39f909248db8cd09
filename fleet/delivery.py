"""One payload that arrived, checked and turned into columns. Input here is hostile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from appliance.wire.messages import WireError
from appliance.wire.outbox import (
    EventRow,
    GapRow,
    HealthRow,
    Row,
    SnippetRow,
    Stream,
    SummaryRow,
    parse_topic,
)
from appliance.wire.payload import open_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from appliance.wire.payload import Carried

NAME_MAX_BYTES = 200
SEQ_MAX = 2**62
_DAY_NS = 86_400_000_000_000
_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).date()

ROW_TYPES: Mapping[Stream, type[Row]] = {
    Stream.EVENT: EventRow,
    Stream.SUMMARY: SummaryRow,
    Stream.HEALTH: HealthRow,
    Stream.SNIPPET: SnippetRow,
    Stream.GAP: GapRow,
}
_TIME_FIELD: Mapping[Stream, str] = {
    Stream.EVENT: "time_ns",
    Stream.SUMMARY: "start_ns",
    Stream.HEALTH: "time_ns",
    Stream.SNIPPET: "start_ns",
    Stream.GAP: "from_ns",
}


class StreamKey(NamedTuple):
    """With `seq`, the key of a row."""

    site: str
    gateway: str
    epoch: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class Delivery:
    """Numbers `first..last` of a stream, and their rows as columns.

    Fewer rows than numbers: some were merged into others at the gateway. `settled` as
    in the payload.
    """

    key: StreamKey
    first: int
    last: int
    settled: int
    day: date
    rows: tuple[Row, ...]
    columns: Mapping[str, NDArray[Any]]

    def part(self, first: int, last: int) -> Mapping[str, NDArray[Any]]:
        """Return the columns of the rows that have some of its numbers."""
        begin, end = np.searchsorted(self.columns["seq"], (first, last + 1))
        return {name: column[begin:end] for name, column in self.columns.items()}


def open_delivery(topic: str, content: bytes) -> Delivery:
    """Return what a message carries.

    Raises:
        WireError: Anything is wrong with it: the message says what.
    """
    site, gateway, leaf = parse_topic(topic)
    try:
        carried = open_payload(content)
        _check(carried, leaf, names=(site, gateway))
        key = StreamKey(site, gateway, carried.epoch, carried.stream)
        columns = _columns(key, carried.seqs, carried.rows)
    except WireError:
        raise
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise WireError(f"rows that cannot be stored: {error}") from error
    day_number = int(columns[_TIME_FIELD[key.stream]][0]) // _DAY_NS
    return Delivery(
        key=key,
        first=carried.first_seq,
        last=carried.last_seq,
        settled=carried.settled,
        day=_EPOCH_DAY + timedelta(days=day_number),
        rows=carried.rows,
        columns=columns,
    )


def _check(carried: Carried, leaf: str, *, names: tuple[str, ...]) -> None:
    if carried.stream != leaf:
        raise WireError(f"a payload of {carried.stream} on a topic of {leaf!r}")
    if not carried.rows:
        raise WireError("a payload without rows")
    if carried.last_seq >= SEQ_MAX:
        raise WireError(f"sequence number {carried.first_seq} is not believable")
    for name in (*names, carried.epoch):
        if not 0 < len(name.encode()) <= NAME_MAX_BYTES or not name.isprintable():
            raise WireError(f"a name that cannot be stored: {name[:80]!r}")


def _columns(
    key: StreamKey, seqs: Sequence[int], rows: Sequence[Row]
) -> Mapping[str, NDArray[Any]]:
    count = len(rows)
    columns: dict[str, NDArray[Any]] = {
        "site": np.full(count, key.site, dtype=object),
        "gateway": np.full(count, key.gateway, dtype=object),
        "epoch": np.full(count, key.epoch, dtype=object),
        "stream": np.full(count, str(key.stream), dtype=object),
        "seq": np.array(seqs, dtype=np.int64),
    }
    for field in msgspec.structs.fields(ROW_TYPES[key.stream]):
        values = [getattr(row, field.name) for row in rows]
        columns[field.name] = _column(values, field.type)
    return columns


def _column(values: list[Any], kind: Any) -> NDArray[Any]:  # noqa: ANN401 - a type
    if kind is int:
        return np.array(values, dtype=np.int64)
    if kind is bool:
        return np.array(values, dtype=np.bool_)
    if kind is float:
        return np.array(values, dtype=np.float64)
    if kind == float | None:
        absent = [value is None for value in values]
        numbers = [0.0 if value is None else value for value in values]
        return np.ma.masked_array(np.array(numbers, dtype=np.float64), mask=absent)
    if kind in {str, str | None, bytes}:
        return _objects(values)
    return _objects([msgspec.json.encode(value).decode() for value in values])


def _objects(values: list[Any]) -> NDArray[Any]:
    """Return them as they are; numpy would look into what it may."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
