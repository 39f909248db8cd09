"""The newest value of each tag for a peer that looks only now and then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.link.client import LinkClient, LinkRefusedError, connect
from appliance.link.newest import (
    ROWS_EVERY_S,
    WAVEFORM_EVERY_S,
    NewestCursor,
    NewestTable,
)
from appliance.link.roles import Role
from appliance.link.server import LinkServer
from appliance.runtime.tasks import alongside
from appliance.wire.messages import (
    BatchMessage,
    EventMessage,
    TextPart,
    WaveformPart,
    WireError,
)
from appliance.wire.samples import columns_of, packed

if TYPE_CHECKING:
    from pathlib import Path


def batch(
    at_ns: int,
    rows: dict[int, float] | None = None,
    *,
    group: str = "plc",
    confirms: bool = True,
    historical: bool = False,
    waveforms: tuple[int, ...] = (),
) -> BatchMessage:
    rows = rows or {}
    return BatchMessage(
        tag=packed("I", list(rows)),
        source_time_ns=packed("q", [at_ns] * len(rows)),
        value=packed("d", list(rows.values())),
        quality=packed("B", [2] * len(rows)),
        status=packed("I", [0] * len(rows)),
        receive_time_ns=at_ns,
        group=group,
        confirms=confirms,
        historical=historical,
        waveforms=tuple(
            WaveformPart(tag, at_ns, 10_240.0, b"", 2, 0) for tag in waveforms
        ),
    )


class Peer:
    """A cursor on a table of its own."""

    def __init__(self) -> None:
        self.table = NewestTable()
        self.cursor = NewestCursor(self.table)

    def publish(self, message: BatchMessage) -> None:
        touched = self.table.take(message)
        if touched is not None:
            self.cursor.note(touched)


def values(messages: list[BatchMessage]) -> dict[int, float]:
    found: dict[int, float] = {}
    for message in messages:
        columns = columns_of(message)
        found.update(zip(columns.tag, columns.value, strict=True))
    return found


def confirmed(messages: list[BatchMessage]) -> dict[str, int]:
    return {m.group: m.receive_time_ns for m in messages if m.confirms}


def test_only_the_newest_value_of_a_tag_is_sent() -> None:
    peer = Peer()
    peer.publish(batch(1, {1: 10.0, 2: 20.0}))
    peer.publish(batch(2, {1: 11.0}))
    assert values(peer.cursor.take(0.0)) == {1: 11.0, 2: 20.0}
    assert peer.cursor.coalesced == 1


def test_the_second_time_goes_with_the_value_that_has_one() -> None:
    peer = Peer()
    peer.publish(
        msgspec.structs.replace(batch(1, {1: 1.0}), server_time_ns=packed("q", [9]))
    )
    peer.publish(batch(1, {2: 2.0}))
    (message,) = peer.cursor.take(0.0)
    columns = columns_of(message)
    assert dict(zip(columns.tag, columns.server_time_ns, strict=True)) == {1: 9, 2: 0}
    peer.publish(batch(2, {1: 1.0}))
    assert peer.cursor.take(1.0)[0].server_time_ns == b""


def test_nothing_is_sent_twice() -> None:
    peer = Peer()
    peer.publish(batch(1, {1: 10.0}))
    assert peer.cursor.take(0.0)
    assert peer.cursor.due_s is None
    assert peer.cursor.take(10.0) == []


def test_a_burst_waits_for_a_quarter_of_a_second() -> None:
    peer = Peer()
    peer.publish(batch(1, {1: 10.0}))
    peer.cursor.take(5.0)
    peer.publish(batch(2, {1: 11.0}))
    assert peer.cursor.due_s == 5.0 + ROWS_EVERY_S
    assert peer.cursor.take(5.0 + ROWS_EVERY_S - 0.01) == []
    assert values(peer.cursor.take(5.0 + ROWS_EVERY_S)) == {1: 11.0}


def test_a_new_peer_is_told_everything_that_is_known() -> None:
    peer = Peer()
    peer.publish(batch(1, {1: 10.0}, group="a"))
    peer.publish(batch(2, {2: 20.0}, group="b", waveforms=(7,)))
    late = NewestCursor(peer.table).take(0.0)
    assert values(late) == {1: 10.0, 2: 20.0}
    assert confirmed(late) == {"a": 1, "b": 2}
    assert [w.tag for m in late for w in m.waveforms] == [7]


def test_a_keep_alive_without_rows_passes_as_a_confirmation() -> None:
    peer = Peer()
    peer.publish(batch(1, {1: 10.0}))
    peer.cursor.take(0.0)
    peer.publish(batch(9))
    news = peer.cursor.take(1.0)
    assert confirmed(news) == {"plc": 9}
    assert values(news) == {}


def test_bad_rows_of_a_lost_source_do_not_confirm_but_leave_what_was_confirmed() -> (
    None
):
    peer = Peer()
    peer.publish(batch(1, {1: 10.0}))
    peer.publish(batch(5, {1: float("nan")}, confirms=False))
    news = peer.cursor.take(0.0)
    assert confirmed(news) == {"plc": 1}
    assert [m.receive_time_ns for m in news] == [1, 5]


def test_a_group_that_was_never_confirmed_is_not_said_to_be() -> None:
    peer = Peer()
    peer.publish(batch(5, {1: 1.0}, confirms=False))
    assert confirmed(peer.cursor.take(0.0)) == {}


def test_historical_rows_say_nothing_of_now() -> None:
    peer = Peer()
    peer.publish(batch(5, {1: 1.0}, historical=True))
    assert peer.cursor.due_s is None


def test_a_waveform_goes_out_at_most_every_two_seconds_and_then_the_newest() -> None:
    peer = Peer()
    peer.publish(batch(1, waveforms=(7,)))
    assert [w.start_ns for m in peer.cursor.take(0.0) for w in m.waveforms] == [1]
    for at_ns in (2, 3):
        peer.publish(batch(at_ns, waveforms=(7,)))
    between = peer.cursor.take(1.0)
    assert confirmed(between) == {"plc": 3}
    assert not any(message.waveforms for message in between)
    assert peer.cursor.due_s == WAVEFORM_EVERY_S
    late = peer.cursor.take(WAVEFORM_EVERY_S)
    assert [w.start_ns for m in late for w in m.waveforms] == [3]


def test_the_newest_text_goes_with_its_group() -> None:
    peer = Peer()
    message = batch(1)
    for content in ("old", "new"):
        text = TextPart(4, 1, content, 2, 0)
        peer.publish(
            BatchMessage(message.tag, b"", b"", b"", b"", 1, group="plc", texts=(text,))
        )
    assert [t.content for m in peer.cursor.take(0.0) for t in m.texts] == ["new"]


def test_a_batch_of_unequal_columns_is_refused() -> None:
    with pytest.raises(WireError, match="differ in length"):
        NewestTable().take(BatchMessage(packed("I", [1]), b"", b"", b"", b"", 1))
    with pytest.raises(WireError, match="broken batch"):
        NewestTable().take(BatchMessage(b"abc", b"", b"", b"", b"", 1))


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(1, 5), st.floats(allow_nan=False), max_size=4),
            st.sampled_from("ab"),
            st.booleans(),
        )
    )
)
def test_however_slow_a_peer_is_it_ends_up_with_the_newest_of_everything(
    turns: list[tuple[dict[int, float], str, bool]],
) -> None:
    peer = Peer()
    expected: dict[int, float] = {}
    seen: dict[int, float] = {}
    now_s = 0.0
    for at, (rows, group, looks) in enumerate(turns, start=1):
        peer.publish(batch(at, rows, group=group))
        expected |= rows
        if looks:
            now_s += 1.0
            seen |= values(peer.cursor.take(now_s))
    seen |= values(peer.cursor.take(now_s + 1.0))
    assert seen == expected


async def subscribed(link: LinkClient) -> None:
    with pytest.raises(LinkRefusedError):
        await link.request("an answer proves that the subscription was read")


async def test_a_subscriber_of_the_newest_gets_them_over_the_socket(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    server = LinkServer(path, process="hub", role_of=lambda _u, _g: Role.VIEWER)
    async with alongside(server.serve(), name="test.serve"):
        await server.wait_ready()
        server.publish_batch(batch(1, {1: 1.0}))
        async with connect(path, process="t", subscribe=("newest", "events")) as link:
            await subscribed(link)
            news = link.messages()
            first = await anext(news)
            assert isinstance(first, BatchMessage)
            assert values([first]) == {1: 1.0}
            for at_ns in range(2, 12):
                server.publish_batch(batch(at_ns, {1: float(at_ns)}))
            server.publish_event(EventMessage("system", "x", 1, "an event overtakes"))
            assert isinstance(await anext(news), EventMessage)
            async with asyncio.timeout(60):
                second = await anext(news)
            assert isinstance(second, BatchMessage)
            assert values([second]) == {1: 11.0}
            assert server.counters["values_coalesced"] == 9
    assert server.counters["values_coalesced"] == 9


async def test_one_who_asks_twice_is_not_sent_everything_twice(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = LinkServer(path, process="hub", role_of=lambda _u, _g: Role.VIEWER)
    async with alongside(server.serve(), name="test.serve"):
        await server.wait_ready()
        both = ("newest", "batches", "newest")
        async with connect(path, process="t", subscribe=both) as link:
            await subscribed(link)
            server.publish_batch(batch(1, {1: 1.0}))
            news = link.messages()
            async with asyncio.timeout(60):
                got = [await anext(news), await anext(news)]
    assert [type(each) for each in got] == [BatchMessage, BatchMessage]
