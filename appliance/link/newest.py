"""The newest value of each tag, and what of it a peer has not seen yet. Numpy-free.

One table serves all peers: a slow one only keeps the numbers of the tags that it must
still be told, so it costs no memory that grows and never sees an old value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from appliance.wire.messages import BatchMessage, TextPart, WaveformPart
from appliance.wire.samples import columns_of, packed, server_times

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS_EVERY_S = 0.25
WAVEFORM_EVERY_S = 2.0


Row: TypeAlias = tuple[str, int, float, int, int, int]
"""Group, source time, value, quality, status, server time (0: none).

Plain, because it is made often."""


@dataclass(slots=True)
class GroupTimes:
    """When a group was last heard of, and when it was last confirmed (0: never)."""

    receive_time_ns: int = 0
    confirmed_ns: int = 0


class NewestTable:
    """What is known now. Historical batches say nothing of it and are passed over."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.groups: dict[str, GroupTimes] = {}
        self.waveforms: dict[int, tuple[str, WaveformPart]] = {}
        self.texts: dict[int, tuple[str, TextPart]] = {}

    def take(self, message: BatchMessage) -> Touched | None:
        """Take over a batch; return what it touched."""
        if message.historical:
            return None
        columns = columns_of(message)
        group = message.group
        rows = zip(repeat(group, len(columns.tag)), *columns[1:], strict=True)
        self.rows.update(zip(columns.tag, rows, strict=True))
        times = self.groups.setdefault(group, GroupTimes())
        times.receive_time_ns = message.receive_time_ns
        if message.confirms:
            times.confirmed_ns = message.receive_time_ns
        self.waveforms.update((each.tag, (group, each)) for each in message.waveforms)
        self.texts.update((each.tag, (group, each)) for each in message.texts)
        return Touched(
            group=group,
            rows=columns.tag,
            waveforms=[each.tag for each in message.waveforms],
            texts=[each.tag for each in message.texts],
        )

    def everything(self) -> Unseen:
        """Return what a new peer has not seen: all of it."""
        return Unseen(
            rows=set(self.rows),
            groups=set(self.groups),
            waveforms=set(self.waveforms),
            texts=set(self.texts),
        )


class Touched(NamedTuple):
    """Tags and group of one batch."""

    group: str
    rows: list[int]
    waveforms: list[int]
    texts: list[int]


@dataclass(slots=True)
class Unseen:
    """Tag numbers and groups of which there is news; bounded by the tag table."""

    rows: set[int] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    waveforms: set[int] = field(default_factory=set)
    texts: set[int] = field(default_factory=set)


class NewestCursor:
    """What one peer is sent: at most four bursts a second, one message per group.

    A waveform goes out at most every `WAVEFORM_EVERY_S`. `coalesced` counts the values
    and waveforms that a newer one replaced before they were sent. Time is an argument.
    """

    def __init__(self, table: NewestTable) -> None:
        self.coalesced = 0
        self._table = table
        self._unseen = table.everything()
        self._sent_s = float("-inf")
        self._waveform_sent_s: dict[int, float] = {}

    def note(self, touched: Touched) -> None:
        """Note that a batch touched the table."""
        unseen = self._unseen
        before = len(unseen.rows) + len(unseen.waveforms)
        unseen.rows.update(touched.rows)
        unseen.waveforms.update(touched.waveforms)
        new = len(unseen.rows) + len(unseen.waveforms) - before
        self.coalesced += len(touched.rows) + len(touched.waveforms) - new
        unseen.texts.update(touched.texts)
        unseen.groups.add(touched.group)

    @property
    def due_s(self) -> float | None:
        """From when on `take` has something; None while nothing is new."""
        unseen = self._unseen
        earliest_s = self._sent_s + ROWS_EVERY_S
        if unseen.groups:
            return earliest_s
        if not unseen.waveforms:
            return None
        return max(earliest_s, min(map(self._waveform_due_s, unseen.waveforms)))

    def take(self, now_s: float) -> list[BatchMessage]:
        """Return the news as batches, or nothing before it is due."""
        due_s = self.due_s
        if due_s is None or now_s < due_s:
            return []
        waveforms = {
            tag for tag in self._unseen.waveforms if self._waveform_due_s(tag) <= now_s
        }
        for tag in waveforms:
            self._waveform_sent_s[tag] = now_s
        kept = self._unseen.waveforms - waveforms
        news = Unseen(
            self._unseen.rows, self._unseen.groups, waveforms, self._unseen.texts
        )
        self._unseen = Unseen(waveforms=kept)
        self._sent_s = now_s
        return list(self._messages(news))

    def _waveform_due_s(self, tag: int) -> float:
        return self._waveform_sent_s.get(tag, float("-inf")) + WAVEFORM_EVERY_S

    def _messages(self, news: Unseen) -> Iterator[BatchMessage]:
        table = self._table
        rows: dict[str, list[tuple[int, Row]]] = {}
        for tag in news.rows:
            row = table.rows[tag]
            rows.setdefault(row[0], []).append((tag, row))
        waveforms: dict[str, list[WaveformPart]] = {}
        for tag in news.waveforms:
            group, waveform = table.waveforms[tag]
            waveforms.setdefault(group, []).append(waveform)
        texts: dict[str, list[TextPart]] = {}
        for tag in news.texts:
            group, text = table.texts[tag]
            texts.setdefault(group, []).append(text)
        for group in sorted(news.groups | rows.keys() | waveforms.keys()):
            times = table.groups[group]
            confirms = times.confirmed_ns == times.receive_time_ns
            if not confirms and times.confirmed_ns:
                yield _message([], group, times.confirmed_ns, confirms=True)
            yield _message(
                rows.get(group, []),
                group,
                times.receive_time_ns,
                confirms=confirms,
                waveforms=tuple(waveforms.get(group, ())),
                texts=tuple(texts.get(group, ())),
            )


def _message(
    rows: list[tuple[int, Row]],
    group: str,
    receive_time_ns: int,
    *,
    confirms: bool,
    waveforms: tuple[WaveformPart, ...] = (),
    texts: tuple[TextPart, ...] = (),
) -> BatchMessage:
    return BatchMessage(
        tag=packed("I", [tag for tag, _ in rows]),
        source_time_ns=packed("q", [row[1] for _, row in rows]),
        value=packed("d", [row[2] for _, row in rows]),
        quality=packed("B", [row[3] for _, row in rows]),
        status=packed("I", [row[4] for _, row in rows]),
        receive_time_ns=receive_time_ns,
        group=group,
        confirms=confirms,
        waveforms=waveforms,
        texts=texts,
        server_time_ns=server_times([row[5] for _, row in rows]),
    )
