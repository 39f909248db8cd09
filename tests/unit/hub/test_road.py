"""The road of a batch through the hub's parts, with a store in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.alarms.acts import Shelve
from appliance.config import AssetSettings
from appliance.domain.batch import Text, Waveform, bad_batch, batch_of, keep_alive
from appliance.domain.event import Event, EventKind
from appliance.domain.health import derived_group
from appliance.domain.sample import STATUS_BAD_OUT_OF_RANGE, Quality
from appliance.domain.tag import TagId
from appliance.hub.assets import Assets
from appliance.hub.pipeline import UnknownTagError
from appliance.wire.batches import batch_of_message
from appliance.wire.outbox import HealthRow, SnippetRow, Stream, SummaryRow
from appliance.wire.snippets import points_of

if TYPE_CHECKING:
    from appliance.domain.batch import Batch
    from tests.unit.hub.conftest import Road

FLOW, BURST = "P-101/flow", "P-101/DE/acceleration"
SCORE, ANOMALY = "P-101/anomaly_score", "P-101/anomaly"


def measured(road: Road, value: float) -> Batch:
    now_ns = road.clock.utc_ns()
    return batch_of(
        [road.number(FLOW)],
        [value],
        source_time_ns=now_ns,
        receive_time_ns=now_ns,
        group="plc.poll",
    )


def burst(road: Road, points: int = 4096) -> Batch:
    wave = Waveform(
        road.number(BURST),
        road.clock.utc_ns(),
        10_240.0,
        np.arange(points, dtype=np.float32),
    )
    return batch_of(
        [], [], source_time_ns=0, receive_time_ns=road.clock.utc_ns(), waveforms=(wave,)
    )


def judged(road: Road, score: float, *, anomaly: bool, cause: str = "") -> Batch:
    now_ns = road.clock.utc_ns()
    numbers = [
        road.number(f"P-101/{each}")
        for each in (
            "health_index", "anomaly_score", "anomaly", "remaining_useful_life_h",
            "remaining_useful_life_h_low", "remaining_useful_life_h_high",
        )
    ]  # fmt: skip
    known = math.isfinite(score)
    values = [0.7, score, float(anomaly), 120.0, 80.0, math.nan]
    good = [known, known, known, known, known, False]
    return batch_of(
        numbers,
        values,
        source_time_ns=now_ns,
        receive_time_ns=now_ns,
        quality=[Quality.GOOD if each else Quality.BAD for each in good],
        status=[0 if each else 0x809B_0000 for each in good],
        group=derived_group("P-101"),
        texts=(Text(numbers[1], now_ns, cause),) if cause else (),
    )


def sent(road: Road, stream: Stream) -> list[object]:
    return [row for found, row in road.store.rows if found is stream]


async def test_a_batch_is_stored_shown_and_known(road: Road) -> None:
    batch = measured(road, 50.0)
    road.pipeline.ingest(batch)
    assert road.store.batches == [batch]
    assert batch_of_message(road.shown.batches[0]).value.tolist() == [50.0]
    row = road.latest.row(road.number(FLOW))
    assert row is not None
    assert row.value == 50.0
    assert "plc.poll" in road.latest.confirmed
    assert road.pipeline.counters["batches"] == 1


async def test_what_is_out_of_range_is_bad_everywhere(road: Road) -> None:
    road.pipeline.ingest(measured(road, 500.0))
    (stored,) = road.store.batches
    assert stored.status.tolist() == [STATUS_BAD_OUT_OF_RANGE]
    assert batch_of_message(road.shown.batches[0]).quality.tolist() == [Quality.BAD]
    assert road.pipeline.counters["samples_made_bad"] == 1
    assert await road.commit() == []  # no alarm is raised by what is not a value


async def test_a_tag_that_was_never_given_is_refused_whole(road: Road) -> None:
    with pytest.raises(UnknownTagError):
        road.pipeline.ingest(
            batch_of([1, 4000], [1.0, 2.0], source_time_ns=0, receive_time_ns=0)
        )
    assert road.store.batches == []


async def test_an_alarm_is_shown_at_once_and_then_committed(road: Road) -> None:
    road.pipeline.ingest(measured(road, 110.0))
    assert [(each.name, each.pending) for each in road.shown.events] == [
        ("active", True)
    ]
    assert await road.commit() == ["active"]
    assert road.shown.events[-1].seq == 1


async def test_time_alone_moves_the_alarms(road: Road) -> None:
    road.pipeline.ingest(measured(road, 110.0))
    road.alarms.act(
        f"{FLOW}:high", Shelve(60.0), actor="anna", now_s=road.clock.at_s, utc_ns=0
    )
    road.clock.at_s += 60
    road.pipeline.tick()
    assert await road.commit() == ["active", "unshelved", "reannounced"]


async def test_an_anomaly_begins_with_its_score_and_cause_and_ends(road: Road) -> None:
    road.pipeline.ingest(judged(road, 0.4, anomaly=False))
    road.pipeline.ingest(judged(road, 2.0, anomaly=True, cause=BURST))
    for _ in range(6):
        road.clock.at_s += 1
        road.pipeline.ingest(judged(road, 0.5, anomaly=False))
    assert await road.commit() == ["begin", "end"]
    begin = road.store.events[0]
    assert begin.kind is EventKind.ANOMALY
    assert begin.asset == "P-101"
    assert begin.details == {"score": 2.0, "limit": 1.0, "cause": BURST}
    assert begin.message == (
        "P-101 behaves unlike its learned normal, score 2 of its limit;"
        " most of it from P-101/DE/acceleration"
    )


async def test_an_anomaly_does_not_end_while_nobody_judges(road: Road) -> None:
    road.pipeline.ingest(judged(road, 2.0, anomaly=True))
    for _ in range(30):
        road.clock.at_s += 1
        road.pipeline.ingest(judged(road, math.nan, anomaly=False))
    assert await road.commit() == ["begin"]


async def test_a_restart_of_inference_does_not_end_an_anomaly(road: Road) -> None:
    road.pipeline.ingest(judged(road, 2.0, anomaly=True))
    for anomaly in (False, False, False, True):  # its on-delay begins anew
        road.clock.at_s += 1
        road.pipeline.ingest(judged(road, 2.0, anomaly=anomaly))
    assert await road.commit() == ["begin"]


async def test_a_restart_of_the_hub_does_not_begin_an_anomaly_again(
    road: Road,
) -> None:
    last = Event(EventKind.ANOMALY, "begin", 1, "", asset="P-101")
    numbers = road.table.numbers
    asset = AssetSettings.model_validate({"id": "P-101"})
    again = Assets([asset], numbers, road.latest, anomalies={"P-101": last})
    batch = judged(road, 2.0, anomaly=True)
    assert list(again.take(batch, now_s=1.0, utc_ns=1)) == []


async def test_historical_judgements_are_the_past(road: Road) -> None:
    batch = batch_of(
        [road.number(ANOMALY)], [1.0], source_time_ns=0,
        receive_time_ns=road.clock.utc_ns(), historical=True,
    )  # fmt: skip
    road.pipeline.ingest(batch)
    assert await road.commit() == []


async def test_the_onset_of_an_anomaly_keeps_the_waveform(road: Road) -> None:
    road.pipeline.ingest(burst(road, points=5000))
    road.pipeline.ingest(judged(road, 2.0, anomaly=True))
    road.pipeline.ingest(judged(road, 3.0, anomaly=True))
    (snippet,) = sent(road, Stream.SNIPPET)
    assert isinstance(snippet, SnippetRow)
    points = points_of(snippet.content)
    assert (snippet.tag, snippet.reason, snippet.points) == (BURST, "anomaly", 4096)
    assert points[0] == pytest.approx(904.0, rel=0.05)  # the newest ones, rounded
    skipped_ns = round(904 / 10_240.0 * 1e9)
    assert snippet.start_ns == road.clock.utc_ns() + skipped_ns
    assert road.pipeline.counters["waveform_points"] == 5000


@pytest.mark.parametrize(
    ("asset", "tag", "rows"),
    [("P-101", None, 1), ("", FLOW, 1), ("", None, 0), ("X", None, 0)],
)
async def test_a_trip_keeps_the_waveform_of_its_asset(
    road: Road, asset: str, tag: str | None, rows: int
) -> None:
    road.pipeline.ingest(burst(road))
    tag_id = None if tag is None else TagId(tag)
    trip = Event(EventKind.TRIP, "first_out", 5, "stop", asset=asset, tag=tag_id)
    road.pipeline.hear(trip)
    road.pipeline.hear(Event(EventKind.TRIP, "trip", 6, "and another", asset=asset))
    assert len(sent(road, Stream.SNIPPET)) == rows
    assert await road.commit() == ["first_out", "trip"]


async def test_without_a_waveform_there_is_no_snippet(road: Road) -> None:
    road.pipeline.ingest(judged(road, 2.0, anomaly=True))
    assert sent(road, Stream.SNIPPET) == []


async def test_roll_ups_go_out_when_their_period_is_over(road: Road) -> None:
    road.pipeline.ingest(measured(road, 50.0))
    road.reports.summaries()
    assert sent(road, Stream.SUMMARY) == []
    road.clock.at_s += 10
    road.reports.summaries()
    (row,) = sent(road, Stream.SUMMARY)
    assert isinstance(row, SummaryRow)
    assert (row.tag, row.count, row.mean) == (FLOW, 1, 50.0)
    road.pipeline.ingest(measured(road, 60.0))
    road.reports.close()
    assert len(sent(road, Stream.SUMMARY)) == 2


async def test_health_goes_out_once_per_judgement(road: Road) -> None:
    road.reports.health({})
    road.pipeline.ingest(judged(road, 2.0, anomaly=True, cause=BURST))
    road.reports.health({"P-101": "v7"})
    road.reports.health({"P-101": "v7"})
    (row,) = sent(road, Stream.HEALTH)
    assert row == HealthRow(
        asset="P-101",
        time_ns=road.clock.utc_ns(),
        score=2.0,
        limit=1.0,
        index=0.7,
        anomaly=True,
        life_h=120.0,
        life_low_h=80.0,
        life_high_h=None,
        cause=BURST,
        model="v7",
    )
    road.clock.at_s += 1
    road.pipeline.ingest(judged(road, math.nan, anomaly=True))
    road.reports.health({})
    assert len(sent(road, Stream.HEALTH)) == 1


async def test_a_loss_and_a_keep_alive_take_the_same_road(road: Road) -> None:
    road.pipeline.ingest(keep_alive("plc.poll", road.clock.utc_ns()))
    road.pipeline.ingest(
        bad_batch([road.number(FLOW)], 0x8031_0000, time_ns=road.clock.utc_ns())
    )
    assert len(road.store.batches) == len(road.shown.batches) == 2
    assert await road.commit() == []
