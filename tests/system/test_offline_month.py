"""Thirty days without the cloud, over three times the quota.

At a small load in `make test`, at the rated one in `make soak`: the code is the same,
load and quota grow together.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from appliance.domain.event import EventKind
from appliance.domain.tag import TagId
from appliance.hub.chatter import COALESCED
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from benchmarks.support.month import SPIKE, START_NS, Plan, live_through, tag_names

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.domain.event import Event, Gap

SMALL = Plan(
    tags=10,
    period_s=5.0,
    step_s=7200,
    quota_bytes=2_600_000,
    outbox_quota_bytes=600_000,
)
RATED = Plan(
    tags=1000,
    period_s=1.0,
    step_s=60,
    quota_bytes=1_500_000_000,
    outbox_quota_bytes=400_000_000,
)


def stands_for(event: Event) -> int:
    count = event.details.get(COALESCED, 1)
    assert isinstance(count, int)
    return count


@pytest.mark.system
@pytest.mark.timeout(300)
async def test_a_month_offline_stays_in_its_quota_and_keeps_the_high_classes(
    tmp_path: Path,
) -> None:
    await _live(tmp_path / "buffer.db", SMALL)


@pytest.mark.soak
async def test_a_month_offline_at_the_rated_load(tmp_path: Path) -> None:
    days = float(os.environ.get("WHEELTAPPER_MONTH_DAYS", "30"))
    plan = Plan(
        tags=RATED.tags,
        period_s=RATED.period_s,
        step_s=RATED.step_s,
        quota_bytes=int(RATED.quota_bytes * days / 30),
        outbox_quota_bytes=int(RATED.outbox_quota_bytes * days / 30),
        days=days,
    )
    await _live(tmp_path / "buffer.db", plan)


async def _live(path: Path, plan: Plan) -> None:
    month = await live_through(path, plan)
    assert month.peak_bytes <= plan.quota_bytes
    assert verify(path) == (), "whole, and the conservation law holds"
    with open_reader(path) as reader:
        events, gaps = reader.events(), reader.gaps()
        end_ns = START_NS + int(plan.days * 86_400 * 10**9)
        trend = reader.history(TagId(tag_names(plan)[0]), START_NS, end_ns, points=1000)
        raw_bytes, raw_rows = reader.tier(0)
    everything = raw_bytes / raw_rows * month.counters["samples_stored"]
    assert everything > 3 * plan.quota_bytes, "beside events, summaries and health"
    _check_samples(plan, month.counters, gaps)
    for kind in (EventKind.TRIP, EventKind.AUDIT, EventKind.ALARM):
        of_kind = [event for event in events if event.kind == kind]
        assert sum(map(stands_for, of_kind)) == month.told[kind], kind
    assert sum(event.kind == EventKind.ALARM for event in events) < 2_000
    assert month.counters["outbox_event_declared_gaps"] == 0
    assert trend.value.max() == SPIKE, "no reduction hides a spike"
    assert trend.source_time_ns[0] < START_NS + 86_400 * 10**9, "the first day is there"


def _check_samples(plan: Plan, counters: dict[str, int], gaps: tuple[Gap, ...]) -> None:
    declared = {(gap.what, gap.reason): gap.count for gap in gaps}
    reduced = sum(count for (what, _), count in declared.items() if what == "raw")
    stored = counters["samples_stored"]
    assert (
        stored
        == counters["samples_read"]
        >= 0.99 * plan.days * 86_400 * (plan.values_per_s)
    )
    assert reduced == counters["samples_decimated"] > stored / 2
    assert counters["samples_dropped"] == 0
    for stream in ("summary", "health", "snippet"):
        told = sum(gap.count for gap in gaps if gap.what == stream)
        assert told == counters[f"outbox_{stream}_declared_gaps"]
