"""Samples → `BatchMessage` and back to columns without numpy: how safety speaks."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.wire.messages import BatchMessage, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.sample import Sample
    from appliance.domain.tag import TagId


_TAG_BYTES = 4


class Columns(NamedTuple):
    """The columns of a batch as plain lists; `server_time_ns` 0 where there is none."""

    tag: list[int]
    source_time_ns: list[int]
    value: list[float]
    quality: list[int]
    status: list[int]
    server_time_ns: list[int]


def message_of_samples(
    samples: Sequence[Sample],
    numbers: Mapping[TagId, int],
    *,
    receive_time_ns: int,
    group: str,
) -> BatchMessage:
    """Return samples as a message; each tag must have a number."""
    return BatchMessage(
        tag=packed("I", [numbers[sample.tag] for sample in samples]),
        source_time_ns=packed("q", [sample.source_time_ns for sample in samples]),
        value=packed("d", [sample.value for sample in samples]),
        quality=packed("B", [int(sample.quality) for sample in samples]),
        status=packed("I", [sample.status for sample in samples]),
        receive_time_ns=receive_time_ns,
        group=group,
        server_time_ns=server_times([sample.server_time_ns or 0 for sample in samples]),
    )


def columns_of(message: BatchMessage) -> Columns:
    """Return the columns of a message.

    Raises:
        WireError: They are broken, or differ in length.
    """
    try:
        columns = Columns(
            tag=_unpacked("I", message.tag),
            source_time_ns=_unpacked("q", message.source_time_ns),
            value=_unpacked("d", message.value),
            quality=_unpacked("B", message.quality),
            status=_unpacked("I", message.status),
            server_time_ns=_unpacked("q", message.server_time_ns)
            or [0] * (len(message.tag) // _TAG_BYTES),
        )
    except ValueError as error:
        raise WireError(f"a broken batch: {error}") from error
    if len({len(column) for column in columns}) != 1:
        raise WireError("the columns of a batch differ in length")
    return columns


def server_times(times: Sequence[int]) -> bytes:
    """Return the column of second times; empty where no row has one."""
    return packed("q", times) if any(times) else b""


def packed(code: str, values: Sequence[float]) -> bytes:
    """Return values as a little-endian column of an `array` type code."""
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _unpacked(code: str, content: bytes) -> list[Any]:
    column = array(code)
    column.frombytes(content)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tolist()
