"""Samples → `BatchMessage` without numpy: how safety speaks."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING

from appliance.wire.messages import BatchMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.sample import Sample
    from appliance.domain.tag import TagId


def message_of_samples(
    samples: Sequence[Sample],
    numbers: Mapping[TagId, int],
    *,
    receive_time_ns: int,
    group: str,
) -> BatchMessage:
    """Return samples as a message; each tag must have a number."""
    return BatchMessage(
        tag=_column("I", [numbers[sample.tag] for sample in samples]),
        source_time_ns=_column("q", [sample.source_time_ns for sample in samples]),
        value=_column("d", [sample.value for sample in samples]),
        quality=_column("B", [int(sample.quality) for sample in samples]),
        status=_column("I", [sample.status for sample in samples]),
        receive_time_ns=receive_time_ns,
        group=group,
    )


def _column(code: str, values: Sequence[float]) -> bytes:
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
