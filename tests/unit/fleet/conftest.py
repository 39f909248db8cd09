"""Payloads as a gateway makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from appliance.wire.outbox import (
    EventRow,
    GapRow,
    HealthRow,
    Row,
    SnippetRow,
    Stream,
    SummaryRow,
    encode_payload,
    encode_row,
    topic,
)

AT_NS = 1_700_000_000_000_000_000
SAMPLES: dict[Stream, Row] = {
    Stream.EVENT: EventRow(
        "alarm", "active", AT_NS, "it's high\0", "P-101", None, "high", "",
        {"limit": None, "value": 1.5},
    ),
    Stream.SUMMARY: SummaryRow(
        "P-101/flow", AT_NS, 60.0, 60, 0, 1.0, 2.0, None, 0.1, 1.0
    ),
    Stream.HEALTH: HealthRow(
        "P-101", AT_NS, 0.2, 1.0, 0.9, True, None, None, None, "", "v1"
    ),
    Stream.SNIPPET: SnippetRow("P-101/DE", AT_NS, 25600.0, 2, b"\x00\xff", "anomaly"),
    Stream.GAP: GapRow("acquisition", "killed", AT_NS, AT_NS + 9, -1, 0, 0),
}  # fmt: skip

Post: TypeAlias = Callable[..., tuple[str, bytes]]


@pytest.fixture
def samples() -> dict[Stream, Row]:
    """One row of every stream."""
    return SAMPLES


@pytest.fixture
def post() -> Post:
    """Return (topic, payload) of rows `first..last` of a stream."""

    def make(
        stream: Stream,
        first: int,
        last: int,
        *,
        settled: int = 0,
        site: str = "plant-1",
        gateway: str = "gw-1",
        epoch: str = "epoch-1",
        rows: Sequence[Row] | None = None,
    ) -> tuple[str, bytes]:
        each = rows or [SAMPLES[stream]] * (last - first + 1)
        payload = encode_payload(
            epoch=epoch,
            stream=stream,
            first_seq=first,
            rows=[encode_row(row) for row in each],
            settled=settled,
        )
        return topic(site, gateway, stream), payload

    return make
