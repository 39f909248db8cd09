"""What a Variant of no fixed size says, in our words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import numpy as np

from connectors.opcua import wirescan as wire
from connectors.opcua.table import NUMBERS
from connectors.opcua.values import date_text
from connectors.opcua.wirescan import Scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STRING, _DATE_TIME, _GUID, _BYTE_STRING, _LOCALIZED_TEXT = 12, 13, 14, 15, 21
_SIXTEEN_OH_ONE = datetime(1601, 1, 1, tzinfo=UTC)
_FIRST_RESERVED = 26  # decoded as a ByteString (Part 6, 5.2.2.16)
_HAS_LOCALE, _HAS_TEXT = 1, 2


class Other:
    """A value that is there, and is neither number, text nor array."""


Content: TypeAlias = "str | NDArray[np.float32] | list[object] | Other | None"
"""An array that is no burst (of no numbers, of more dimensions) is a list."""


def content_of(body: bytes, start: int, end: int) -> Content:
    """Return a text, the points of an array of numbers, or None where nothing is.

    Raises:
        MalformedMessageError: Between `start` and `end` lies no Variant.
    """
    scan = Scan(body, start, end)
    form = scan.u8()
    kind = form & wire.KIND
    if form & wire.IS_ARRAY:
        return _array(scan, kind, many=bool(form & wire.HAS_DIMENSIONS))
    if kind == _DATE_TIME:
        return _date(scan.i64())
    if kind == _GUID:
        at = scan.skip(16)
        return str(UUID(bytes_le=body[at : scan.at]))
    return _text_of(scan, kind)


def _text_of(scan: Scan, kind: int) -> str | Other | None:
    if kind == _LOCALIZED_TEXT:
        mask = scan.u8()
        if mask & _HAS_LOCALE:
            scan.skip_text()
        text = _bytes(scan) if mask & _HAS_TEXT else None
        return Other() if text is None else _text(text)
    if kind in {_STRING, _BYTE_STRING} or kind >= _FIRST_RESERVED:
        found = _bytes(scan)
        if found is None:
            return None
        return _text(found) if kind == _STRING else found.hex()
    return Other()


def _date(ticks: int) -> str | Other:
    """Return the text of a DateTime; Other where no calendar has that day."""
    whole, rest = divmod(ticks, 10)
    try:
        return date_text(_SIXTEEN_OH_ONE + timedelta(microseconds=whole), rest)
    except OverflowError:
        return Other()


def _bytes(scan: Scan) -> bytes | None:
    length = scan.i32()
    if length == -1:
        return None
    at = scan.skip(length)
    return scan.body[at : scan.at]


def _text(found: bytes) -> str:
    # A server that writes Latin-1 must not stop the whole road at the next encoder.
    return found.decode("utf-8", errors="replace")


def _array(scan: Scan, kind: int, *, many: bool) -> Content:
    length = scan.i32()
    if length < 0:
        return None
    if kind not in NUMBERS:
        return [Other()]
    record = np.dtype(NUMBERS[kind])
    at = scan.skip(length * record.itemsize)
    if many:
        dimensions = [scan.i32() for _ in range(scan.length(4))]
        if dimensions != [length]:
            return [Other()]
    numbers = np.frombuffer(scan.body, record, count=length, offset=at)
    if kind == wire.BOOLEAN:
        numbers = numbers != 0
    with np.errstate(over="ignore"):
        return numbers.astype(np.float64).astype(np.float32)
