"""One outbox stream on its way: read, packed, sent, accepted, acknowledged, marked."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from appliance.sync.parcel import Packer, Parcel, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.runtime.backoff import Backoff
    from appliance.wire.outbox import Stream

READ_BYTES = 1_000_000
READ_ROWS_MAX = 5_000
FLYING_MAX_BYTES = 1_000_000
"""Sent and not acknowledged: a backlog must not stand before what is live."""
_ROW_BYTES_GUESS = 16_000
_WAITING_FEW = 2


class Lane:
    """The parcels of one stream, in order. Pure: time is an argument.

    At most `window` parcels are held. When the front one is not acknowledged within
    `patience`, all are read and sent again, beginning with a single parcel: an absent
    fleet costs one parcel per patience, not a window. Patience passes only while there
    is a connection.

    Rows wait up to `hold_s` in the outbox for company.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        window: int,
        patience: Backoff,
        packer: Packer | None = None,
        hold_s: float = 0.0,
    ) -> None:
        self.stream = stream
        self.epoch = ""
        self.through = 0
        self.resent_rows = 0
        self.read_again = True
        self._window = window
        self._room = window
        self._patience = patience
        self._patience_s = patience.next_s()
        self._packer = packer or Packer(stream)
        self._hold_s = hold_s
        self._looked_s: float | None = None
        self._row_bytes: float = _ROW_BYTES_GUESS
        self._cursor = 0
        self._marked = 0
        self._highest_sent = 0
        self._parcels: deque[Parcel] = deque()
        self._waiting = 0
        self._flying_bytes = 0
        self._held_off_until_s = 0.0
        self._waited_s: float | None = None

    @property
    def rows_held(self) -> int:
        """Rows in memory that are not acknowledged."""
        return sum(parcel.last - parcel.first + 1 for parcel in self._parcels)

    @property
    def urgent(self) -> bool:
        """Something waits that may go at any time, or that stands before it."""
        return any(
            parcel.urgent and parcel.progress is Progress.WAITING
            for parcel in self._parcels
        )

    def wake(self, now_s: float | None) -> None:
        """Look into the outbox again, unless its rows may wait a while for company.

        None: look in any case.
        """
        waits = (
            now_s is not None
            and self._looked_s is not None
            and now_s - self._looked_s < self._hold_s
        )
        if not self.read_again and not waits:
            self._looked_s = now_s
            self.read_again = True

    def next_read(self) -> tuple[int, int] | None:
        """Return (after, limit) of the rows to read, or None when it holds enough."""
        few = self._waiting < _WAITING_FEW and len(self._parcels) < self._room
        if not (few and self.read_again):
            return None
        least = self._packer.at_once(self._cursor)
        limit = int(READ_BYTES / self._row_bytes)
        return self._cursor, min(max(limit, least), READ_ROWS_MAX)

    def unanswered(self) -> None:
        """Ask for fewer rows: the answer may have been too long for the link."""
        self._row_bytes *= 4

    def load(
        self,
        epoch: str,
        rows: Sequence[tuple[int, bytes]],
        *,
        after: int,
        max_bytes: int,
    ) -> None:
        """Take what the outbox holds after `after`; nothing means: no more for now.

        The answer to a question that is out of date is dropped. Another epoch means
        another outbox: what was held belongs to none any more.
        """
        if epoch != self.epoch:
            self._begin(epoch)
        if after != self._cursor:
            return
        if not rows:
            self.read_again = False
            return
        first = rows[0][0]
        contents = _contiguous(rows)
        self._row_bytes = max(sum(map(len, contents)) / len(contents), 1.0)
        front = self._parcels[0].first if self._parcels else first
        for parcel in self._packer.pack(
            contents,
            epoch=epoch,
            first=first,
            settled=front - 1,
            max_bytes=max_bytes,
        ):
            self._parcels.append(parcel)
            self._waiting += 1
            self._cursor = parcel.last

    def next_parcel(self, now_s: float) -> Parcel | None:
        """Return the first parcel that waits to be sent."""
        if self._waiting == 0 or now_s < self._held_off_until_s:
            return None
        for parcel in islice(self._parcels, self._room):
            if parcel.progress is Progress.WAITING:
                flying_bytes = self._flying_bytes + parcel.size_bytes
                alone = self._flying_bytes == 0
                return parcel if alone or flying_bytes <= FLYING_MAX_BYTES else None
        return None

    def sent(self, parcel: Parcel, now_s: float) -> None:
        """Note that a parcel was handed to the broker's connection."""
        self._waiting -= 1
        self._flying_bytes += parcel.size_bytes
        _move(parcel, Progress.SENT, now_s)
        again = min(parcel.last, self._highest_sent) - parcel.first + 1
        self.resent_rows += max(again, 0)
        self._highest_sent = max(self._highest_sent, parcel.last)

    def accepted(self, parcel: Parcel, now_s: float, *, final: bool) -> None:
        """Note the broker's PUBACK; `final` where nobody else acknowledges."""
        if parcel.progress is not Progress.SENT or parcel.epoch != self.epoch:
            return
        _move(parcel, Progress.ACCEPTED, now_s)
        parcel.payload = b""
        if final:
            self._settle_front(now_s)

    def refused(self, parcel: Parcel, now_s: float) -> None:
        """Note that the broker refused it: the lane waits before it tries again."""
        if parcel.progress is Progress.SENT and parcel in self._parcels:
            self._ground(parcel, now_s)
            self._grow_patience()
            self._held_off_until_s = now_s + self._patience_s

    def acknowledged(self, epoch: str, through: int, now_s: float) -> bool:
        """Note the fleet's word, for what was sent; return whether it was news."""
        through = min(through, self._highest_sent)
        if epoch != self.epoch or through <= self.through:
            return False
        self.through = through
        while self._parcels and self._parcels[0].last <= through:
            self._drop_front()
        self._progressed(now_s)
        return True

    def connected(self, now_s: float) -> None:
        """Go on waiting for the fleet where the loss of the connection ended it."""
        if self._parcels and self._waited_s is not None:
            self._parcels[0].moved_s = now_s - self._waited_s
        self._waited_s = None

    def disconnected(self, now_s: float) -> None:
        """Send again what the broker has not accepted."""
        front = self._parcels[0] if self._parcels else None
        if front is not None and front.progress is Progress.ACCEPTED:
            self._waited_s = now_s - front.moved_s
        for parcel in self._parcels:
            if parcel.progress is Progress.SENT:
                self._ground(parcel, now_s)
        self._held_off_until_s = 0.0

    def check_patience(self, now_s: float) -> bool:
        """Rewind when the front parcel was not acknowledged in time; tell whether."""
        if not self._parcels or self._parcels[0].progress is not Progress.ACCEPTED:
            return False
        if now_s - self._parcels[0].moved_s < self._patience_s:
            return False
        self._grow_patience()
        self._room = 1
        self.rewind()
        return True

    def rewind(self) -> None:
        """Forget what is held: read it again from the outbox, with what is settled."""
        if self._parcels:
            self._cursor = self._parcels[0].first - 1
        self._parcels.clear()
        self._waiting = self._flying_bytes = 0
        self.read_again = True

    def unmarked(self) -> int | None:
        """Return up to where the outbox must be told, or None."""
        return self.through if self.through > self._marked else None

    def marked(self, epoch: str, through: int) -> None:
        """Note that the outbox has been told."""
        if epoch == self.epoch:
            self._marked = max(self._marked, through)
            self._packer.settle(through)

    def _begin(self, epoch: str) -> None:
        self.rewind()
        self._packer.begin(epoch)
        self.epoch = epoch
        self.through = self._marked = self._highest_sent = self._cursor = 0
        self._room = self._window

    def _ground(self, parcel: Parcel, now_s: float) -> None:
        self._flying_bytes -= parcel.size_bytes
        self._waiting += 1
        _move(parcel, Progress.WAITING, now_s)

    def _settle_front(self, now_s: float) -> None:
        while self._parcels and self._parcels[0].progress is Progress.ACCEPTED:
            self.through = self._parcels[0].last
            self._drop_front()
            self._progressed(now_s)

    def _drop_front(self) -> None:
        parcel = self._parcels.popleft()
        if parcel.progress is Progress.WAITING:
            self._waiting -= 1
        else:
            self._flying_bytes -= parcel.size_bytes

    def _progressed(self, now_s: float) -> None:
        """Be as generous as at the beginning: the other side is there."""
        self._room = min(2 * self._room, self._window)
        self._patience.reset()
        self._patience_s = self._patience.next_s()
        self._held_off_until_s = 0.0
        if self._parcels:
            self._parcels[0].moved_s = now_s

    def _grow_patience(self) -> None:
        self._patience_s = self._patience.next_s()


def _contiguous(rows: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Return the contents of the rows up to the first hole."""
    first = rows[0][0]
    contents = []
    for place, (seq, content) in enumerate(rows):
        if seq != first + place:
            break
        contents.append(content)
    return contents


def _move(parcel: Parcel, progress: Progress, now_s: float) -> None:
    parcel.progress = progress
    parcel.moved_s = now_s
