"""What would be sent next, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.commands.uplink_cost import cost_of
from appliance.commands.uplink_preview import preview
from appliance.config import StorageSettings, UplinkSettings
from appliance.domain.batch import batch_of
from appliance.domain.tag import Tag, parse_tag_id
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store
from appliance.wire.outbox import (
    EventRow,
    SnippetRow,
    Stream,
    SummaryRow,
    encode_row,
)

if TYPE_CHECKING:
    from appliance.wire.outbox import Row

if TYPE_CHECKING:
    from pathlib import Path

ROWS: dict[Stream, list[Row]] = {
    Stream.EVENT: [EventRow("alarm", "a", 1, "said", "P", "P/x", "high", "", {})],
    Stream.SUMMARY: [
        SummaryRow("P/x", n, 60.0, 6, 0, 1.0, 2.0, 1.5, 0.1, 1.6) for n in range(3)
    ],
    Stream.SNIPPET: [SnippetRow("P/x", 1, 1.0, 2, b"qqqq", "trip")],
}
SYNC = {"uplink": "connected", "link": {"waits_for": "", "payload_max_bytes": 5_000}}


def shown(sync: dict[str, Any], **told: object) -> dict[str, Any]:
    read = {
        stream: {
            "epoch": "e",
            "rows": [
                (5 + n, encode_row(r)) for n, r in enumerate(ROWS.get(stream, []))
            ],
        }
        for stream in Stream
    }
    outbox = {
        str(stream): {"pending": len(ROWS.get(stream, [])), "pending_bytes": 10}
        for stream in Stream
    }
    settings = UplinkSettings.model_validate({"host": "broker.example", **told})
    return {p.stream: p for p in preview(settings, sync, outbox, read=read)}


def test_a_preview_shows_the_rows_as_they_will_arrive() -> None:
    found = shown(SYNC)
    assert list(found) == ["event", "gap", "health", "summary", "snippet"]
    (payload,) = found["summary"].payloads
    assert (payload.first, payload.last, len(payload.rows)) == (5, 7, 3)
    assert payload.rows[0]["mean"] == 1.5
    assert 20 < payload.bytes < 200
    assert found["event"].why == "goes at once"
    assert found["summary"].why == "goes within 300 s, in company"
    assert found["snippet"].payloads[0].rows[0]["content"] == "4 bytes"
    assert found["gap"].payloads == ()


def test_a_preview_says_why_something_stays() -> None:
    closed = {**SYNC, "link": {"waits_for": "the window opens Sun 02:00"}}
    found = shown(closed, sends=["health", "summary"], tags=["Q/*"])
    assert "the window opens Sun 02:00" in found["event"].why
    assert "alarms, trips and anomalies go at once" in found["event"].why
    assert "rows go empty" in found["event"].why
    assert found["event"].payloads[0].rows[0]["kind"] == "withheld"
    assert "of tags like Q/* alone" in found["summary"].why
    assert "none are made" in found["snippet"].why
    merging = shown({**SYNC, "merging_to_s": 900.0, "uplink": "it is down"})
    assert merging["summary"].why == (
        "it is down; merged to 900 s, for the backlog is long"
    )
    assert shown({})["event"].why == "sync is not running"


async def test_cost_holds_what_was_sent_against_what_is_stored(tmp_path: Path) -> None:
    path, clock = tmp_path / "buffer.db", SystemClock()
    async with open_store(path, StorageSettings(), clock) as store:
        numbers = await store.register([Tag(parse_tag_id("P/x"), "", 0.0, 9.0, "")])
        now_ns = clock.utc_ns()
        times = now_ns - np.arange(100)[::-1] * 10**9
        tag = np.full(100, numbers[parse_tag_id("P/x")], np.uint32)
        store.append(
            batch_of(tag, np.ones(100), source_time_ns=times, receive_time_ns=now_ns)
        )
        await store.flush()
    minute = now_ns // 60_000_000_000
    sync = {
        "counters": {"bytes_written": 99},
        "link": {"minutes": [[minute - 30, 90], [minute, 17]]},
    }
    cost = cost_of(path, sync, now_ns=now_ns, last_s=49.5)
    assert (cost.last.raw_bytes, cost.last.sent_bytes) == (17 * 50, 17)
    assert cost.last.share == 0.02
    assert (cost.total.raw_bytes, cost.total.sent_bytes) == (1_700, 99)
