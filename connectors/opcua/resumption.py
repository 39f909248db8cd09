"""From where tags go on after our own restart, in the server's own time: pure.

What is stored bears our time where a source replaces wrong times. The server's history
knows the server's time alone, so one is turned into the other; where nobody can know
how, the hole is declared and not filled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from connectors.opcua.clockwatch import EARLIEST_NS
from connectors.opcua.continuity import NS_PER_US, Hole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.domain.batch import Batch

CLOCK_WAS_SET: Final = "the server's clock was set while we were away"
NOT_DATED: Final = "the server dates its values wrongly"


@dataclass(slots=True)
class Resumption:
    """What is stored, newest time by tag number, and the server's clock then and now.

    `taken_off_ns` is what is taken off the server's times now, `kept_ns` what was when
    the values were stored (None: nobody knows, so the same). `replaces` says that
    wrong times are replaced at all.
    """

    stored_ns: Mapping[int, int]
    replaces: bool = False
    taken_off_ns: int = 0
    kept_ns: int | None = None
    tolerance_ns: int = 0
    _unheard: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self._unheard = set(self.stored_ns) if self.replaces else set()

    @property
    def newest_ns(self) -> dict[int, int]:
        """What is stored, as the server dated it."""
        off_ns = self.taken_off_ns
        if self.kept_ns is not None and not self._clock_was_set:
            off_ns = self.kept_ns
        return {number: ns + off_ns for number, ns in self.stored_ns.items()}

    def unfillable(self, batch: Batch) -> dict[str, list[Hole]]:
        """Return by reason the holes that end with these live values.

        Each tag is looked at once, with the first that is heard of it.
        """
        found: dict[str, list[Hole]] = {}
        for number, time_ns in self._first_heard(batch):
            reason = self._reason(time_ns, batch.receive_time_ns)
            from_ns = self.stored_ns[number] + self.taken_off_ns
            to_ns = time_ns
            if reason == NOT_DATED:
                to_ns = batch.receive_time_ns + self.taken_off_ns
            if reason and to_ns - from_ns > NS_PER_US:
                found.setdefault(reason, []).append(Hole(number, from_ns, to_ns))
        return found

    def _first_heard(self, batch: Batch) -> Iterator[tuple[int, int]]:
        if not self._unheard:
            return
        heard = [*zip(batch.tag.tolist(), batch.source_time_ns.tolist(), strict=True)]
        heard += [(each.tag, each.source_time_ns) for each in batch.texts]
        heard += [(each.tag, each.start_ns) for each in batch.waveforms]
        for number, time_ns in heard:
            if number in self._unheard:
                self._unheard.discard(number)
                yield number, time_ns

    def _reason(self, time_ns: int, receive_ns: int) -> str:
        if self._clock_was_set:
            return CLOCK_WAS_SET
        ours_ns = time_ns - self.taken_off_ns
        plausible = EARLIEST_NS <= ours_ns <= receive_ns + self.tolerance_ns
        return "" if plausible else NOT_DATED

    @property
    def _clock_was_set(self) -> bool:
        kept_ns = self.taken_off_ns if self.kept_ns is None else self.kept_ns
        return abs(kept_ns - self.taken_off_ns) > self.tolerance_ns
