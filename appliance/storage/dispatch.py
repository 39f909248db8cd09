"""What the cloud still wants: rows of the outbox are handed out until acknowledged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from appliance.storage import outbox
from appliance.storage.connection import StoreUnavailableError
from appliance.storage.counters import status_of
from appliance.storage.records import DELIVERED, outbox_counter
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections import Counter

    from appliance.storage.disk import Disk
    from appliance.storage.mending import Mender
    from appliance.storage.onlooker import Onlooker
    from appliance.storage.outbox import StreamStatus


class Dispatch:
    """Every method raises StoreUnavailableError where the disk refuses.

    `committed` are the counters on disk. While the `mender` still brings over older
    rows from a damaged file, nothing is handed out, for order is promised.
    """

    def __init__(
        self,
        disk: Disk,
        onlooker: Onlooker,
        mender: Mender,
        *,
        epoch: str,
        committed: Counter[str],
    ) -> None:
        self._disk = disk
        self._onlooker = onlooker
        self._mender = mender
        self._epoch = epoch
        self._committed = committed

    async def read(
        self, stream: Stream, after: int, limit: int, *, max_bytes: int
    ) -> list[tuple[int, bytes]]:
        """Return contiguous rows (see `BufferStore.outbox_read`)."""
        if self._mender.held:
            return []  # older rows are still on their way here from a wreck
        fetch = self._onlooker.fetch
        asked = {"after": after, "limit": limit}
        weights = await fetch(outbox.WEIGHTS_SQL[stream], asked)
        span = outbox.span_to_read([(row[0], row[1]) for row in weights], max_bytes)
        if span is None:
            return []
        # Acknowledged meanwhile: a row less at the front, and still no hole.
        wanted = {"first": span[0], "through": span[1]}
        rows = await fetch(outbox.READ_SQL[stream], wanted)
        return [(row[0], row[1]) for row in rows]

    async def acknowledge(self, epoch: str, stream: Stream, through: int) -> int:
        """Remove the rows up to a number (see `BufferStore.outbox_ack`)."""
        if epoch != self._epoch:
            raise outbox.AckRefusedError(f"{epoch} is not the epoch {self._epoch}")
        if self._mender.held:
            raise StoreUnavailableError("rows of the outbox are being salvaged")
        work = partial(outbox.acknowledge, stream=stream, through=through)
        counted: Counter[str] = await self._disk.change(work, self._committed.update)
        return counted[outbox_counter(stream, DELIVERED)]

    async def status(self) -> dict[Stream, StreamStatus]:
        """Return where every stream stands."""
        oldest = await self._disk.ask(outbox.oldest)
        return {
            stream: status_of(self._committed, stream, oldest_ns=oldest[stream])
            for stream in Stream
        }
