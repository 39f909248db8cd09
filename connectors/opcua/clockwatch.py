"""A server's clock that is wrong: seen, said, and by choice put right. Pure.

A standing value rightly has an old source time, so age proves nothing. What does: a
time in our future, a time before 2015, and the server's own idea of now.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from appliance.domain.diagnostic import Diagnostic
from appliance.domain.sample import Quality
from connectors.opcua.wording import few, span_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch, TagColumn, Text, TimeColumn, Waveform
    from appliance.domain.tag import TagId

STATUS_UNCERTAIN: Final = 0x4000_0000
"""The time is wrong; OPC UA has no narrower word (Uncertain)."""
_STEP_NS: Final = 100_000_000
_STEADY_NS: Final = 2_000_000_000
"""A server may show its clock a second late, and be slow to answer."""
EARLIEST_NS: Final = 1_420_070_400_000_000_000
"""2015-01-01: a clock that shows an earlier time has lost it."""


class ClockWatch:
    """Judges the source times of batches; what it found is in `diagnostics`.

    `keep` makes rows with a wrong time uncertain. `replace` gives them the best time
    that is known, and they keep their quality: the server's offset is taken off, or
    else the server's own time counts, or else the time we received it. The same wrong
    time of a tag is always replaced by the same right one, so a value that is sent
    again gets no fresh time. For the same reason the offset stands still in steps: what
    history says of a value is then dated as the value was.
    """

    def __init__(
        self,
        *,
        policy: Literal["keep", "replace"],
        tolerance_s: float,
        names: Mapping[int, TagId],
    ) -> None:
        rows = max(names, default=-1) + 1
        self._replaces = policy == "replace"
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._names = names
        self._offset_ns = 0
        self._suspect = np.zeros(rows, np.bool_)
        self._any_suspect = False
        self._example_ns = (0, 0)
        self._wrong_ns = np.zeros(rows, np.int64)
        self._right_ns = np.zeros(rows, np.int64)

    def observe_server(self, server_now_ns: int, utc_ns: int) -> None:
        """Take note of what the server says the time is now."""
        self._settle(server_now_ns - utc_ns)

    def recall(self, taken_off_ns: int) -> None:
        """Begin with what was `taken_off_ns` before a restart of ours."""
        self._offset_ns = taken_off_ns

    @property
    def taken_off_ns(self) -> int:
        """What is taken off the server's times before they are handed on."""
        return self._offset_ns if self._replaces and self._server_is_wrong else 0

    def judge(self, batch: Batch) -> Batch:
        """Return the batch with its source times judged, and by choice replaced."""
        batch = self._rows(batch)
        if batch.texts:
            given = [(each.tag, each.source_time_ns) for each in batch.texts]
            right, wrong = self._alone(batch, given)
            batch = replace(
                batch,
                texts=tuple(
                    self._text(each, time_ns) if is_wrong else each
                    for each, time_ns, is_wrong in zip(
                        batch.texts, right, wrong, strict=True
                    )
                ),
            )
        if batch.waveforms:
            given = [(each.tag, each.start_ns) for each in batch.waveforms]
            right, wrong = self._alone(batch, given)
            batch = replace(
                batch,
                waveforms=tuple(
                    self._waveform(each, time_ns) if is_wrong else each
                    for each, time_ns, is_wrong in zip(
                        batch.waveforms, right, wrong, strict=True
                    )
                ),
            )
        return batch

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """One, while the server's clock or the time of a tag's last value is wrong."""
        said = []
        if self._server_is_wrong:
            said.append(f"the server's clock is {_offset_words(self._offset_ns)}")
        suspects = tuple(
            self._names[number]
            for number in np.flatnonzero(self._suspect).tolist()
            if number in self._names
        )
        if suspects and not self._server_is_wrong:
            shown = datetime.fromtimestamp(self._example_ns[0] // 10**9, UTC)
            off = _offset_words(self._example_ns[0] - self._example_ns[1])
            said.append(f"{few(suspects)}: source time {shown:%Y-%m-%d %H:%M}, {off}")
        if not said:
            return ()
        outcome = "replaced" if self._replaces else "kept, and their rows uncertain"
        return (
            Diagnostic(
                key="clock",
                message=f"{'; '.join(said)}: such times are {outcome}",
                remedy="Set the controller's clock, or let it follow a time server; "
                'until then `clock = "replace"` uses the best time that is known.',
                tags=suspects,
            ),
        )

    @property
    def _server_is_wrong(self) -> bool:
        return abs(self._offset_ns) > self._tolerance_ns

    def _settle(self, seen_ns: int) -> None:
        """Keep an offset that explains what is seen, or else take the next step above.

        Whatever the server dates is on its way for a while, so what is seen is never
        more than the true offset, and may be somewhat less.
        """
        if not 0 <= self._offset_ns - seen_ns <= _STEADY_NS:
            self._offset_ns = -(-seen_ns // _STEP_NS) * _STEP_NS

    def _rows(self, batch: Batch) -> Batch:
        if not len(batch):
            return batch
        right, wrong = self._judged(
            batch.tag, batch.source_time_ns, batch.server_time_ns, batch
        )
        if wrong is None:
            return batch
        if self._replaces:
            return replace(batch, source_time_ns=right)
        good = wrong & (batch.quality == Quality.GOOD)
        return replace(
            batch,
            quality=np.where(good, Quality.UNCERTAIN, batch.quality).astype(np.uint8),
            status=np.where(good, STATUS_UNCERTAIN, batch.status).astype(np.uint32),
        )

    def _alone(
        self, batch: Batch, given: list[tuple[int, int]]
    ) -> tuple[list[int], list[bool]]:
        """Judge the times of texts or waveforms, which have no server time."""
        columns = np.array(given, np.int64)
        right, wrong = self._judged(
            columns[:, 0].astype(np.uint32), columns[:, 1], None, batch
        )
        marks = np.zeros(len(given), np.bool_) if wrong is None else wrong
        return right.tolist(), marks.tolist()

    def _judged(
        self, tag: TagColumn, time: TimeColumn, server: TimeColumn | None, batch: Batch
    ) -> tuple[TimeColumn, NDArray[np.bool_] | None]:
        """Return the best times, and which were wrong (None: none was)."""
        receive_ns = batch.receive_time_ns
        wrong = (time > receive_ns + self._tolerance_ns) | (time < EARLIEST_NS)
        if self._server_is_wrong:
            # A time that is ours already (there was none) is right.
            wrong |= time != receive_ns
        any_wrong = bool(wrong.any())
        if not batch.historical and (any_wrong or self._any_suspect):
            self._note(tag, time, wrong, receive_ns)
        if not any_wrong:
            return time, None
        if not self._replaces:
            return time, wrong
        best, known = self._best(time, server, batch)
        if not batch.historical:
            best = self._as_before(tag, time, best, wrong)
        return np.where(wrong & known, best, time), wrong

    def _best(
        self, time: TimeColumn, server: TimeColumn | None, batch: Batch
    ) -> tuple[TimeColumn, NDArray[np.bool_] | bool]:
        """Return the best time of each row, and where there is one at all."""
        receive_ns = batch.receive_time_ns
        best = np.full(len(time), receive_ns, np.int64)
        known: NDArray[np.bool_] | bool = not batch.historical
        if server is not None and not self._server_is_wrong:
            best = np.where(self._plausible(server, receive_ns), server, best)
        if self._server_is_wrong:
            if not batch.historical:
                self._learn(time - receive_ns)
            shifted = time - self._offset_ns
            sound = self._plausible(shifted, receive_ns)
            best = np.where(sound, shifted, best)
            known = sound | known
        return np.minimum(best, receive_ns), known

    def _learn(self, seen_ns: TimeColumn) -> None:
        """See in fresh values that the offset is a little larger than thought."""
        near = seen_ns[np.abs(seen_ns - self._offset_ns) <= _STEADY_NS]
        if len(near):
            self._settle(int(near.max()))

    def _plausible(self, time: TimeColumn, receive_ns: int) -> NDArray[np.bool_]:
        return (time >= EARLIEST_NS) & (time <= receive_ns + self._tolerance_ns)

    def _as_before(
        self,
        tag: TagColumn,
        time: TimeColumn,
        best: TimeColumn,
        wrong: NDArray[np.bool_],
    ) -> TimeColumn:
        """Replace what was replaced before by what it was replaced by then."""
        again = (self._wrong_ns[tag] == time) & (self._right_ns[tag] > 0)
        settled = np.where(again, np.minimum(self._right_ns[tag], best), best)
        self._wrong_ns[tag[wrong]] = time[wrong]
        self._right_ns[tag[wrong]] = settled[wrong]
        return settled

    def _note(
        self,
        tag: TagColumn,
        time: TimeColumn,
        wrong: NDArray[np.bool_],
        receive_ns: int,
    ) -> None:
        self._suspect[tag] = wrong
        self._any_suspect = bool(self._suspect.any())
        if wrong.any():
            self._example_ns = (int(time[wrong][-1]), receive_ns)

    def _text(self, text: Text, time_ns: int) -> Text:
        if self._replaces:
            return replace(text, source_time_ns=time_ns)
        if text.quality is not Quality.GOOD:
            return text
        return replace(text, quality=Quality.UNCERTAIN, status=STATUS_UNCERTAIN)

    def _waveform(self, burst: Waveform, time_ns: int) -> Waveform:
        if self._replaces:
            return replace(burst, start_ns=time_ns)
        if burst.quality is not Quality.GOOD:
            return burst
        return replace(burst, quality=Quality.UNCERTAIN, status=STATUS_UNCERTAIN)


def _offset_words(offset_ns: int) -> str:
    side = "ahead" if offset_ns > 0 else "behind"
    return f"{span_words(offset_ns / 1e9)} {side}"
