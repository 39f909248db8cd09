from __future__ import annotations

import asyncio
import logging
import math
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.batch import batch_of
from appliance.domain.event import Gap
from appliance.domain.ports import OutputFailedError, SourceUnavailableError
from connectors.opcua.config import NumberType, PointSettings
from connectors.opcua.inbox import Inbox
from connectors.opcua.output import encoded

if TYPE_CHECKING:
    from appliance.domain.batch import Batch


def batch_in(given: Batch | Gap) -> Batch:
    assert not isinstance(given, Gap)
    return given


def batch(number: int) -> Batch:
    return batch_of([number], [0.0], source_time_ns=1, receive_time_ns=1)


async def test_a_full_inbox_drops_the_oldest_and_counts_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    inbox = Inbox("skid", capacity=2)
    for number in range(5):
        inbox.put(batch(number))
    inbox.fail(SourceUnavailableError("gone"))
    kept = [batch_in(await anext(inbox)), batch_in(await anext(inbox))]
    with pytest.raises(SourceUnavailableError, match="gone"):
        await anext(inbox)
    assert [int(each.tag[0]) for each in kept] == [3, 4]
    assert inbox.lost == 3
    assert len(caplog.records) == 2


async def test_an_inbox_wakes_who_waits() -> None:
    inbox = Inbox("skid", capacity=2)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(anext(inbox), name="waits")
        await asyncio.sleep(0)
        inbox.put(batch(1))
    assert batch_in(waiting.result()).tag.tolist() == [1]


def test_counting_nothing_lost_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox("skid", capacity=2)
    inbox.count_lost(0)
    assert (inbox.lost, caplog.records) == (0, [])


def point(kind: NumberType) -> PointSettings:
    return PointSettings(name="p", node="i=1", type=kind)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Boolean", 2.0),
        ("Boolean", 0.5),
        ("UInt16", -1.0),
        ("UInt16", 65_536.0),
        ("SByte", 128.0),
        ("Float", 1e39),
        ("Double", math.nan),
        ("Int32", math.inf),
    ],
)
def test_what_does_not_fit_the_node_is_refused(kind: NumberType, value: float) -> None:
    with pytest.raises(OutputFailedError, match="does not fit"):
        encoded(point(kind), value)


def test_values_get_the_kind_of_their_node() -> None:
    assert encoded(point("Boolean"), 1.0) is True
    assert encoded(point("UInt16"), 7.0) == 7
    assert isinstance(encoded(point("UInt16"), 7.0), int)
    assert encoded(point("Double"), 0.1) == 0.1


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_written_as_it_will_be_read_back(value: float) -> None:
    written = encoded(point("Float"), value)
    assert struct.unpack("<f", struct.pack("<f", written)) == (written,)
