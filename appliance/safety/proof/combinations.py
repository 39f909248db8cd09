"""Which combinations of classes a scan of the row walk tries.

Channels are judged one by one, and only then counted. So from each standing of the row
(its on-delay and bypass) every class is tried on every state of a channel, and every
outcome of all channels together, each once, in any order of the channels. `whole`
tries every combination from every state instead: it reaches the same states, slower.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from appliance.safety.proof.classes import words_for
from appliance.safety.proof.clock import channel_key
from appliance.safety.proof.expected import seen

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from appliance.config import InitiatorSettings
    from appliance.safety.channel import ChannelState
    from appliance.safety.proof.expected import Seen


class Combinations:
    """Remembers what was tried from each standing of the row."""

    def __init__(self, row: InitiatorSettings, *, whole: bool) -> None:
        self._row = row
        self._whole = whole
        self._numbers: dict[Hashable, int] = {}
        self._outcomes: set[tuple[Hashable, tuple[int, ...]]] = set()
        self._tried: set[tuple[Hashable, int]] = set()

    def of(
        self,
        standing: Hashable,
        channels: Sequence[ChannelState],
        known: Sequence[Seen],
        marked: Sequence[bool],
    ) -> Iterator[tuple[str, ...]]:
        """Yield the words to try on channels in this state; `marked` is bypassed."""
        trio = zip(channels, known, marked, strict=True)
        options = [list(self._options(*each)) for each in trio]
        place: Hashable = standing
        if self._whole:
            place = (standing, tuple(sorted(each[0][1] for each in options)))
        for chosen in product(*options):
            outcome = (place, tuple(sorted(self._outcome(each) for each in chosen)))
            news = [(standing, pair) for _, pair, _ in chosen]
            if outcome in self._outcomes and self._tried.issuperset(news):
                continue
            self._outcomes.add(outcome)
            self._tried.update(news)
            yield tuple(word for _, _, word in chosen)

    def _options(
        self,
        channel: ChannelState,
        known: Seen,
        marked: bool,  # noqa: FBT001 - one of three things known of a channel
    ) -> Iterator[tuple[int, int, str]]:
        """Yield outcome, number of the pair of state and word, and word."""
        before = (channel_key(channel), known, marked)
        for word in words_for(self._row, channel):
            after = seen(self._row, known, word)
            yield self._number((after, marked)), self._number((before, word)), word

    def _outcome(self, option: tuple[int, int, str]) -> int:
        return option[1] if self._whole else option[0]

    def _number(self, what: Hashable) -> int:
        return self._numbers.setdefault(what, len(self._numbers))
