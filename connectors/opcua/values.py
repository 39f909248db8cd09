"""What an OPC UA DataValue says, in our words: pure, without numpy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from asyncua import ua

STATUS_BAD_NO_DATA = 0x809B_0000
"""Good, said the server, but there is no value (OPC UA BadNoData)."""
STATUS_BAD_TYPE_MISMATCH = 0x8074_0000
"""The value is neither number nor text (OPC UA BadTypeMismatch)."""

EXACT_IN_A_FLOAT = 2**53

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def time_ns(stamp: datetime | None) -> int | None:
    """Return nanoseconds since 1970, or None where there is no plausible time.

    A server that has no time sends the beginning of its calendar, the year 1601.
    """
    if stamp is None:
        return None
    aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    since_ns = (aware - _EPOCH) // _MICROSECOND * 1000
    return since_ns if 0 < since_ns < 2**63 else None


def source_time_ns(value: ua.DataValue, receive_ns: int) -> int:
    """Return when it was measured, as well as the server knows it."""
    source = time_ns(value.SourceTimestamp)
    if source is not None:
        return source
    server = time_ns(value.ServerTimestamp)
    return receive_ns if server is None else server


def server_time_ns(value: ua.DataValue) -> int:
    """Return when the server got to know it, 0 where it does not say."""
    return time_ns(value.ServerTimestamp) or 0


def status_of(value: ua.DataValue) -> int:
    """Return the status as the server gave it; none means good."""
    return 0 if value.StatusCode is None else int(value.StatusCode.value)


def plain(content: object) -> float | int | str | None:
    """Return a float, an int that no float could hold exactly, a text, or None.

    A date is a text of ISO 8601 in UTC, a ByteString is hexadecimal.
    """
    match content:
        case bool() | float():
            return float(content)
        case int():
            exact = abs(content) <= EXACT_IN_A_FLOAT
            return float(content) if exact else int(content)
        case str():
            return _readable(content)
        case _:
            return _worded(content)


def _worded(content: object) -> str | None:
    """Return the text of what has one."""
    match content:
        case datetime():
            return date_text(content)
        case UUID():
            return str(content)
        case bytes():
            return content.hex()
        case _:
            text = getattr(content, "Text", None)  # LocalizedText
            return _readable(text) if isinstance(text, str) else None


def date_text(moment: datetime, ticks: int = 0) -> str:
    """Return a date as text; `ticks` of 100 ns are what a datetime cannot hold.

    >>> date_text(datetime(2026, 3, 1, 12, tzinfo=UTC), ticks=7)
    '2026-03-01T12:00:00.0000007Z'
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    text = aware.astimezone(UTC).isoformat(timespec="microseconds").partition("+")[0]
    return f"{text}{ticks}Z" if ticks else f"{text}Z"


def _readable(text: str) -> str:
    """Return text that every encoder takes, whatever bytes the server had for it."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
