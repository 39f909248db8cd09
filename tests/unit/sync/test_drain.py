"""The uplink's decisions, against a broker, a fleet and an outbox in memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import zstandard
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.sync.drain import PATIENCE_FIRST_S, PRIORITY, Drain, Mark, Reading
from appliance.wire.outbox import (
    GapRow,
    Payload,
    Stream,
    encode_row,
)
from appliance.wire.payload import SCHEMA, Carried, open_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.sync.parcel import Parcel

EPOCH = "epoch-1"
ROW = encode_row(GapRow("acquisition", "test", 1, 2, 3, 0, 0))
FEW = (Stream.EVENT, Stream.SUMMARY)


def drain(*, fleet: bool = True, window: int = 4, payload_max: int = 1_000) -> Drain:
    return Drain(
        fleet=fleet, window=window, payload_max_bytes=payload_max, spread=lambda: 0.0
    )


def rows(first: int, last: int, content: bytes = ROW) -> list[tuple[int, bytes]]:
    return [(seq, content) for seq in range(first, last + 1)]


def opened(content: bytes) -> Payload | Carried:
    """Return a payload whatever its rows are."""
    if content[:1] == bytes([SCHEMA]):
        return open_payload(content)
    plain = zstandard.ZstdDecompressor().decompress(content)
    return msgspec.msgpack.decode(plain, type=Payload)


def give(to: Drain, stream: Stream, content: Sequence[tuple[int, bytes]]) -> None:
    """Answer the drain's questions until it is content."""
    while (reading := to.next_read()) is not None:
        wanted = [row for row in content if row[0] > reading.after]
        to.load(reading, EPOCH, wanted if reading.stream is stream else [])


def send(from_drain: Drain, now_s: float = 0.0) -> list[Parcel]:
    """Send all that may be sent now."""
    sent = []
    while (parcel := from_drain.next_parcel(now_s)) is not None:
        from_drain.sent(parcel, now_s)
        sent.append(parcel)
    return sent


def noise(seed: int, length: int) -> bytes:
    """Return a row that does not compress."""
    return msgspec.msgpack.encode(random.Random(seed).randbytes(length))


def tiny() -> bytes:
    """Return a row of which only one goes into a payload."""
    return noise(1, 900)


def sent_one(fleet_mode: bool) -> tuple[Drain, Parcel]:
    one = drain(fleet=fleet_mode)
    give(one, Stream.EVENT, rows(1, 3))
    (parcel,) = send(one)
    return one, parcel


def test_a_row_is_marked_only_after_the_broker_and_the_fleet_have_spoken() -> None:
    one, parcel = sent_one(fleet_mode=True)
    one.accepted(parcel, 1.0)
    assert one.next_mark() is None
    one.acknowledged(Stream.EVENT, EPOCH, 3, now_s=1.0)
    assert one.next_mark() == Mark(Stream.EVENT, EPOCH, 3)
    one.marked(Mark(Stream.EVENT, EPOCH, 3))
    assert one.next_mark() is None


def test_against_a_plain_broker_its_word_alone_marks() -> None:
    one, parcel = sent_one(fleet_mode=False)
    one.acknowledged(Stream.EVENT, EPOCH, 3, now_s=1.0)
    assert one.next_mark() is None
    one.accepted(parcel, 1.0)
    assert one.next_mark() == Mark(Stream.EVENT, EPOCH, 3)


def test_a_plain_broker_that_answers_out_of_order_marks_no_hole() -> None:
    one = drain(fleet=False)
    give(one, Stream.EVENT, rows(1, 3, tiny()))
    first, second, third = send(one)
    one.accepted(third, 1.0)
    one.accepted(second, 1.0)
    assert one.next_mark() is None
    one.accepted(first, 1.0)
    assert one.next_mark() == Mark(Stream.EVENT, EPOCH, 3)


def test_streams_go_in_the_order_of_their_priority() -> None:
    one = drain(window=10)
    while (reading := one.next_read()) is not None:
        one.load(reading, EPOCH, rows(1, 1) if reading.after == 0 else [])
    assert [parcel.stream for parcel in send(one)] == list(PRIORITY)


def test_the_window_bounds_what_the_broker_owes_answers_to() -> None:
    one = drain(window=2)
    give(one, Stream.EVENT, rows(1, 5, tiny()))
    first, _second = send(one)
    assert send(one) == []
    one.accepted(first, 1.0)
    assert send(one) == []  # held until the fleet has spoken
    one.acknowledged(Stream.EVENT, EPOCH, 1, now_s=1.0)
    give(one, Stream.EVENT, rows(1, 5, tiny()))
    assert [parcel.first for parcel in send(one)] == [3]


def test_a_broker_with_less_room_is_given_less() -> None:
    one = drain(window=4)
    one.connected(window=1, payload_max_bytes=None)
    give(one, Stream.EVENT, rows(1, 3, tiny()))
    assert len(send(one)) == 1
    one.disconnected(0.0)
    one.connected(window=None, payload_max_bytes=None)
    assert len(send(one)) == 3


def test_a_broker_that_takes_smaller_packets_gets_them_packed_again() -> None:
    one = drain(payload_max=100_000)
    content = [(seq, noise(seq, 300)) for seq in range(1, 9)]
    give(one, Stream.EVENT, content)
    one.connected(window=None, payload_max_bytes=1_000)
    give(one, Stream.EVENT, content)
    parcels = send(one)
    assert max(len(parcel.payload) for parcel in parcels) <= 1_000
    assert [parcel.first for parcel in parcels][:2] == [1, 4]


def test_a_refusal_holds_up_its_stream_and_no_other() -> None:
    one, parcel = sent_one(fleet_mode=True)
    one.refused(parcel, 0.0)
    one.wake()
    give(one, Stream.HEALTH, rows(1, 1))
    assert [each.stream for each in send(one, 1.0)] == [Stream.HEALTH]
    assert one.next_mark() is None
    assert [each.first for each in send(one, 100.0)] == [1]
    assert one.counters["payloads_refused"] == 1


def test_what_the_broker_has_not_accepted_goes_again_after_a_loss() -> None:
    one = drain()
    give(one, Stream.EVENT, rows(1, 2, tiny()))
    first, second = send(one)
    one.accepted(first, 0.0)
    one.disconnected(1.0)
    assert send(one, 1.0) == [second]
    assert one.counters["rows_resent"] == 1


def test_a_silent_fleet_is_asked_again_with_one_parcel_and_growing_patience() -> None:
    one = drain()
    content = rows(1, 4, tiny())
    give(one, Stream.EVENT, content)
    for parcel in send(one):
        one.accepted(parcel, 0.0)
    now_s = PATIENCE_FIRST_S
    one.check_patience(now_s - 0.1)
    assert one.counters["rewinds"] == 0
    one.check_patience(now_s)
    give(one, Stream.EVENT, content)
    (probe,) = send(one, now_s)
    assert (probe.first, probe.last) == (1, 1)
    one.accepted(probe, now_s)
    one.check_patience(now_s + PATIENCE_FIRST_S)
    assert one.counters["rewinds"] == 1
    one.check_patience(now_s + 2 * PATIENCE_FIRST_S)
    assert one.counters["rewinds"] == 2
    one.acknowledged(Stream.EVENT, EPOCH, 4, now_s=now_s)
    assert one.next_mark() == Mark(Stream.EVENT, EPOCH, 4)


def test_a_word_of_the_fleet_about_rows_never_sent_is_not_believed() -> None:
    one, _parcel = sent_one(fleet_mode=True)
    one.acknowledged(Stream.EVENT, EPOCH, 10**18, now_s=0.0)
    assert one.next_mark() == Mark(Stream.EVENT, EPOCH, 3)
    one.acknowledged(Stream.EVENT, "another", 3, now_s=0.0)
    one.acknowledged(Stream.HEALTH, EPOCH, 3, now_s=0.0)
    assert one.counters["acks_foreign"] == 1
    one.marked(Mark(Stream.EVENT, EPOCH, 3))
    assert one.next_mark() is None


def test_another_outbox_begins_at_its_beginning() -> None:
    one, _parcel = sent_one(fleet_mode=True)
    one.wake()
    reading = one.next_read()
    assert reading is not None
    assert reading.after == 3
    one.load(reading, "epoch-2", rows(4, 5))
    again = one.next_read()
    assert again is not None
    assert (again.stream, again.after) == (Stream.EVENT, 0)
    assert one.counters["rows_held"] == 0


def test_an_answer_that_is_out_of_date_is_dropped() -> None:
    one = drain()
    give(one, Stream.EVENT, rows(1, 2))
    one.load(Reading(Stream.EVENT, 0, 10), EPOCH, rows(1, 2))
    assert one.counters["rows_held"] == 2


def test_rows_beyond_a_hole_wait_for_the_next_reading() -> None:
    one = drain()
    reading = one.next_read()
    assert reading is not None
    one.load(reading, EPOCH, [(5, ROW), (6, ROW), (9, ROW)])
    again = one.next_read()
    assert again is not None
    assert again.after == 6
    (parcel,) = send(one)
    payload = opened(parcel.payload)
    assert (parcel.first, parcel.last, payload.settled) == (5, 6, 4)


def test_an_outbox_that_does_not_answer_is_asked_for_less() -> None:
    one = drain()
    first = one.next_read()
    assert first is not None
    for _ in range(5):
        one.unanswered(first)
    again = one.next_read()
    assert again is not None
    assert first.limit > again.limit == 1


def test_a_backlog_does_not_stand_before_what_is_live() -> None:
    one = drain(window=100, payload_max=300_200)
    give(one, Stream.SUMMARY, [(seq, noise(seq, 300_000)) for seq in range(1, 9)])
    assert len(send(one)) == 3
    one.wake()
    give(one, Stream.EVENT, rows(1, 1))
    assert [parcel.stream for parcel in send(one)] == [Stream.EVENT]


def test_a_broker_that_owes_answers_is_noticed() -> None:
    one, parcel = sent_one(fleet_mode=True)
    assert one.stalled_s(30.0) == 30.0
    one.accepted(parcel, 31.0)
    assert one.stalled_s(100.0) == 0.0


class Uplink(RuleBasedStateMachine):
    """Whatever happens, nothing is marked that the lake has not, and all arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.drain = drain(window=3, payload_max=1_000)
        self.outbox: dict[Stream, dict[int, bytes]] = {stream: {} for stream in FEW}
        self.made = dict.fromkeys(FEW, 0)
        self.lake: dict[Stream, set[int]] = {stream: set() for stream in FEW}
        self.settled = dict.fromkeys(FEW, 0)
        self.lost: dict[Stream, set[int]] = {stream: set() for stream in FEW}
        self.at_broker: list[Parcel] = []
        self.words: list[tuple[Stream, int]] = []

    @rule(stream=st.sampled_from(FEW), count=st.integers(1, 8))
    def produce(self, stream: Stream, count: int) -> None:
        for _ in range(count):
            self.made[stream] += 1
            seq = self.made[stream]
            self.outbox[stream][seq] = noise(seq, 400)
        self.drain.wake()

    @rule(stream=st.sampled_from(FEW), which=st.randoms(use_true_random=False))
    def lose_rows(self, stream: Stream, which: random.Random) -> None:
        held = sorted(self.outbox[stream])
        if held:
            seq = which.choice(held)
            del self.outbox[stream][seq]
            self.lost[stream].add(seq)

    @rule()
    def read(self) -> None:
        reading = self.drain.next_read()
        if reading is None:
            return
        found: list[tuple[int, bytes]] = []
        for seq, content in sorted(self.outbox.get(reading.stream, {}).items()):
            if seq > reading.after and (not found or seq == found[-1][0] + 1):
                found.append((seq, content))
        self.drain.load(reading, EPOCH, found[: reading.limit])

    @rule()
    def send(self) -> None:
        self.at_broker.extend(send(self.drain, self.now_s))

    @rule(arrives=st.booleans(), heard=st.booleans(), place=st.integers(0, 2))
    def broker_answers(self, arrives: bool, heard: bool, place: int) -> None:
        if not self.at_broker:
            return
        parcel = self.at_broker.pop(place % len(self.at_broker))
        if arrives:
            self._store(parcel)
        if heard:
            self.drain.accepted(parcel, self.now_s)
        else:
            self.drain.refused(parcel, self.now_s)

    @rule()
    def broker_dies(self) -> None:
        self.at_broker.clear()
        self.drain.disconnected(self.now_s)

    @rule(place=st.integers(0, 5), keep=st.booleans())
    def fleet_speaks(self, place: int, keep: bool) -> None:
        if self.words:
            index = place % len(self.words)
            stream, through = self.words[index]
            if not keep:
                del self.words[index]
            self.drain.acknowledged(stream, EPOCH, through, now_s=self.now_s)

    @rule(seconds=st.floats(0.1, 200.0))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.drain.check_patience(self.now_s)

    @rule()
    def mark(self) -> None:
        mark = self.drain.next_mark()
        if mark is not None:
            held = self.outbox[mark.stream]
            for seq in [each for each in held if each <= mark.through]:
                assert seq in self.lake[mark.stream], "marked, and not in the lake"
                del held[seq]
            self.drain.marked(mark)

    @invariant()
    def the_window_is_kept(self) -> None:
        assert self.drain.counters["outstanding"] <= 3

    def teardown(self) -> None:
        for _ in range(400):
            self.drain.wake()
            for _ in range(8):
                self.read()
            self.send()
            while self.at_broker:
                self.broker_answers(arrives=True, heard=True, place=0)
            while self.words:
                self.fleet_speaks(place=0, keep=False)
            for _ in FEW:
                self.mark()
            if not any(self.outbox.values()):
                break
            self.time_passes(60.0)
        assert not any(self.outbox.values()), "rows that never leave"
        for stream in FEW:
            everything = set(range(1, self.made[stream] + 1))
            assert everything == self.lake[stream] | self.lost[stream]

    def _store(self, parcel: Parcel) -> None:
        """Do what the fleet does."""
        payload = opened(parcel.payload)
        stream = parcel.stream
        assert payload.settled < payload.first_seq == parcel.first
        self.lake[stream].update(range(parcel.first, parcel.last + 1))
        self.settled[stream] = max(self.settled[stream], payload.settled)
        through = self.settled[stream]
        while through + 1 in self.lake[stream]:
            through += 1
        if through:
            self.words.append((stream, through))


TestUplink = Uplink.TestCase
TestUplink.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
