"""What the hub puts into the outbox, and what it keeps here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.config import StorageSettings, UplinkSettings
from appliance.domain.batch import Waveform, batch_of
from appliance.domain.summary import Summary
from appliance.domain.tag import Tag, parse_tag_id
from appliance.hub.reports import rounded
from appliance.hub.requests import Requests, raw_rows
from appliance.hub.summaries import row_of_summary, significant
from appliance.link.server import RefusedError
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store
from appliance.wire.outbox import HealthRow, SnippetRow, Stream, decode_row
from appliance.wire.snippets import points_of, samples_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.domain.event import Event
    from appliance.domain.ports import Clock

FLOW, BURST = parse_tag_id("P-101/flow"), parse_tag_id("P-101/DE/acceleration")


def summary(mean: float, std: float) -> Summary:
    third = mean / 3
    return Summary("P/x", 0, 60.0, 60, 0, third, mean + third, mean, std, third)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("std", [0.7, 0.01, 1e-7])
def test_a_summary_is_rounded_well_below_its_scatter(scale: float, std: float) -> None:
    exact = summary(scale * 2 / 3, scale * std)
    row = row_of_summary(exact)
    for name, part in (("min", 10), ("max", 10), ("last", 10), ("mean", 100)):
        off = abs(getattr(row, name) - getattr(exact, name))
        assert off <= max(exact.std / part, 1e-8 * scale)
    assert row.std == pytest.approx(exact.std, rel=0.01, abs=1e-9 * scale)
    assert len(repr(row_of_summary(summary(2 / 3, 0.07)).min)) <= 6


def test_a_tag_that_stands_still_keeps_nine_digits() -> None:
    row = row_of_summary(summary(12345.678912345, 0.0))
    assert row.mean == 12345.67891
    assert significant(0.0) == 0.0
    assert row_of_summary(summary(0.0, 0.0)).max == 0.0


def test_health_is_rounded_to_six_digits_and_its_time_not_at_all() -> None:
    row = HealthRow(
        "P", 1_700_000_000_123_456_789, 1 / 3, 1.0, 2 / 3, True, 1234.56789, None,
        None, "P/x", "v1",
    )  # fmt: skip
    told = rounded(row)
    assert (told.score, told.index, told.life_h) == (0.333333, 0.666667, 1234.57)
    assert (told.time_ns, told.life_low_h) == (row.time_ns, None)


class Outbox:
    """Rows that were enqueued."""

    def __init__(self) -> None:
        self.rows: list[SnippetRow] = []

    def enqueue(self, stream: Stream, contents: Sequence[bytes], time_ns: int) -> None:
        del time_ns
        for content in contents:
            row = decode_row(stream, content)
            assert isinstance(row, SnippetRow)
            self.rows.append(row)


class Asker:
    """An operator at the gateway, or sync."""

    def __init__(self, process: str) -> None:
        self.name = process

    def is_one_of(self, processes: Sequence[str]) -> bool:
        return self.name in processes


@pytest.fixture
async def buffer(tmp_path: Path) -> Path:
    path = tmp_path / "buffer.db"
    async with open_store(path, StorageSettings(), SystemClock()) as store:
        tags = [Tag(FLOW, "m3/h", 0.0, 100.0, ""), Tag(BURST, "m/s2", -9.0, 9.0, "")]
        numbers = await store.register(tags)
        values = np.arange(500) / 7
        for place, value in enumerate(values.tolist()):
            at_ns = 1_000 + place
            store.append(
                batch_of(
                    [numbers[FLOW]], [value], source_time_ns=at_ns,
                    receive_time_ns=at_ns,
                )
            )  # fmt: skip
        points = np.sin(np.arange(9000) / 3).astype(np.float32)
        wave = Waveform(numbers[BURST], 1_000, 10_240.0, points)
        store.append(
            batch_of([], [], source_time_ns=0, receive_time_ns=0, waveforms=(wave,))
        )
        await store.flush()
    return path


def test_requested_samples_are_those_that_are_stored(buffer: Path) -> None:
    (row,) = raw_rows(buffer, FLOW, from_ns=1_100, to_ns=1_199)
    times, values = samples_of(row.content)
    assert times.tolist() == list(range(1_100, 1_200))
    assert values.tolist() == (np.arange(100, 200) / 7).tolist()
    (burst,) = raw_rows(buffer, BURST, from_ns=0, to_ns=2_000)
    found = points_of(burst.content)
    assert (burst.points, len(found)) == (9000, 9000)
    assert np.abs(found - np.sin(np.arange(9000) / 3)).max() < 1e-5


class DayClock(SystemClock):
    """Noon of a day that the test chooses."""

    def __init__(self) -> None:
        self.day = 20_000

    def utc_ns(self) -> int:
        return (2 * self.day + 1) * 43_200_000_000_000


def requests_of(
    buffer: Path, outbox: Outbox, events: list[Event], clock: Clock, **told: object
) -> Requests:
    settings = UplinkSettings.model_validate({"host": "broker.example", **told})
    return Requests(buffer, outbox, settings, hear=events.append, clock=clock)


async def answer_of(requests: Requests, asker: str = "command") -> dict[str, int]:
    args = {"tag": FLOW, "from_ns": 0, "to_ns": 10_000}
    answer: dict[str, int] = await requests.take(args, Asker(asker))  # type: ignore[arg-type] # what it uses
    return answer


async def ask(
    buffer: Path, outbox: Outbox, asker: str = "command", **told: object
) -> dict[str, int]:
    events: list[Event] = []
    requests = requests_of(buffer, outbox, events, SystemClock(), **told)
    answer = await answer_of(requests, asker)
    assert [event.name for event in events] == ["raw_requested"]
    return answer


async def test_raw_data_leaves_on_request_and_on_record(buffer: Path) -> None:
    outbox = Outbox()
    answer = await ask(buffer, outbox)
    assert answer["points"] == 500
    assert [row.reason for row in outbox.rows] == ["raw"]


@pytest.mark.parametrize(
    ("asker", "told", "why"),
    [
        ("sync", {}, "at the gateway alone"),
        ("command", {"tags": ["Q-*"]}, "does not let"),
        ("command", {"sends": ["event"]}, "does not let"),
        ("command", {"raw_bytes_per_day": 100}, "raw_bytes_per_day"),
    ],
)
async def test_raw_data_stays_when_policy_or_budget_say_so(
    buffer: Path, asker: str, told: dict[str, Any], why: str
) -> None:
    outbox = Outbox()
    with pytest.raises(RefusedError, match=why):
        await ask(buffer, outbox, asker, **told)
    assert outbox.rows == []


async def test_a_restart_gives_nothing_of_the_days_budget_back(buffer: Path) -> None:
    clock = DayClock()
    events: list[Event] = []
    budget = {"raw_bytes_per_day": (await ask(buffer, Outbox()))["bytes"] * 3 // 2}
    before = requests_of(buffer, Outbox(), events, clock, **budget)
    await answer_of(before)
    async with open_store(buffer, StorageSettings(), clock) as store:
        await store.append_event(events[0])
    after = requests_of(buffer, Outbox(), events, clock, **budget)
    for requests in (before, after):
        with pytest.raises(RefusedError, match="left of today's"):
            await answer_of(requests)
    clock.day += 1
    await answer_of(after)
    clock.day -= 1  # a clock that is set back finds the day as it was
    with pytest.raises(RefusedError, match="left of today's"):
        await answer_of(after)


def test_a_tag_that_is_not_known_is_refused(buffer: Path) -> None:
    with pytest.raises(RefusedError, match="no tag"):
        raw_rows(buffer, "P-9/x", from_ns=0, to_ns=1)
