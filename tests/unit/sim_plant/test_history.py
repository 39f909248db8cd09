"""History in fixed memory."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asyncua import ua

from sim_plant.servers.history import BoundedHistory, utc_datetime

NODE = ua.NodeId.from_string("ns=2;s=P-101/flow")
S = 1_000_000_000
START = utc_datetime(0)


@pytest.fixture
def history() -> BoundedHistory:
    kept = BoundedHistory(depth=10)
    kept.add(NODE, ua.VariantType.Float)
    for second in range(25):
        kept.record(NODE, second * S, value=float(second), status=0)
    return kept


async def _read(
    history: BoundedHistory, start: float | None, end: float | None, count: int = 0
) -> list[float]:
    values, _ = await history.read_node_history(
        NODE,
        None if start is None else START + timedelta(seconds=start),
        ua.get_win_epoch() if end is None else START + timedelta(seconds=end),
        count,
    )
    return [value.Value.Value for value in values if value.Value is not None]


async def test_only_the_newest_values_are_kept(history: BoundedHistory) -> None:
    assert await _read(history, 0.0, 100.0) == [float(n) for n in range(15, 25)]


async def test_an_interval_is_closed_and_oldest_first(history: BoundedHistory) -> None:
    assert await _read(history, 17.0, 19.0) == [17.0, 18.0, 19.0]


async def test_a_reversed_interval_is_newest_first(history: BoundedHistory) -> None:
    assert await _read(history, 19.0, 17.0) == [19.0, 18.0, 17.0]


async def test_without_a_start_it_goes_back_from_the_end(
    history: BoundedHistory,
) -> None:
    assert await _read(history, None, 20.0, 3) == [20.0, 19.0, 18.0]


async def test_without_an_end_it_goes_forward_from_the_start(
    history: BoundedHistory,
) -> None:
    assert await _read(history, 22.0, None) == [22.0, 23.0, 24.0]


async def test_what_is_left_out_is_continued(history: BoundedHistory) -> None:
    values, rest_from = await history.read_node_history(NODE, START, None, 4)
    assert len(values) == 4
    assert rest_from == START + timedelta(seconds=19)


async def test_type_status_and_time_come_back_as_they_went() -> None:
    kept = BoundedHistory()
    bad = ua.StatusCodes.BadSensorFailure
    for variant, value in (
        (ua.VariantType.Boolean, True),
        (ua.VariantType.UInt32, 7),
        (ua.VariantType.Double, 0.5),
    ):
        kept.add(NODE, variant)
        kept.record(NODE, 1_500_000_000, value=value, status=bad)
        ((first), _) = await kept.read_node_history(NODE, None, None, 0)
        assert first[0].Value == ua.Variant(value, variant)
        assert first[0].StatusCode == ua.StatusCode(ua.UInt32(bad))
        assert first[0].SourceTimestamp == START + timedelta(seconds=1.5)


async def test_a_node_without_history_has_none() -> None:
    other = ua.NodeId.from_string("ns=2;s=other")
    kept = BoundedHistory()
    assert await kept.read_node_history(other, None, None, 0) == ([], None)
    assert await kept.read_event_history(other, None, None, 0, None) == ([], None)
