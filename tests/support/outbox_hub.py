"""An outbox in memory behind the real link: what sync meets instead of a hub."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from appliance.link.roles import Role
from appliance.link.server import LinkServer, Peer, RefusedError
from appliance.runtime.tasks import alongside
from appliance.wire.outbox import (
    EventRow,
    GapRow,
    HealthRow,
    SnippetRow,
    Stream,
    SummaryRow,
    encode_row,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

DAY_NS = 1_700_000_000_000_000_000
WITHIN_S = 60.0


class Hub:
    """The hub's operations that sync asks for; `status` is what sync said of itself."""

    def __init__(self, run_dir: Path, epoch: str = "epoch-1") -> None:
        self.epoch = epoch
        self.status: dict[str, Any] = {}
        self.acks = 0
        self.refusals = 0
        self._path = run_dir / "hub.sock"
        self._rows: dict[str, dict[int, bytes]] = {stream: {} for stream in Stream}
        self._last = dict.fromkeys(Stream, 0)
        self._changed = asyncio.Event()

    def put(self, stream: Stream, *rows: Any) -> None:  # noqa: ANN401 - any row
        """Append rows to a stream."""
        for row in rows:
            self._last[stream] += 1
            self._rows[stream][self._last[stream]] = encode_row(row)

    def lose(self, stream: Stream, first: int, last: int) -> None:
        """Drop rows as if they had never been there."""
        for seq in range(first, last + 1):
            self._rows[stream].pop(seq, None)

    @property
    def pending(self) -> int:
        """Rows of all streams that nobody acknowledged."""
        return sum(len(rows) for rows in self._rows.values())

    def pending_of(self, stream: Stream) -> int:
        """Rows of one stream that nobody acknowledged."""
        return len(self._rows[stream])

    async def until(
        self, reached: Callable[[], bool], within_s: float = WITHIN_S
    ) -> None:
        """Wait for something that an acknowledgement or a status of sync brings.

        Raises:
            TimeoutError: It never came.
        """
        async with asyncio.timeout(within_s):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def until_empty(self, within_s: float = WITHIN_S) -> None:
        """Wait until every row was acknowledged."""
        await self.until(lambda: self.pending == 0, within_s)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve the link."""
        server = LinkServer(self._path, process="hub", role_of=lambda *_: Role.VIEWER)
        server.operation("outbox.read", self._read)
        server.operation("outbox.ack", self._ack)
        server.operation("process.status", self._take_status)
        async with alongside(server.serve(), name="test.hub"):
            await server.wait_ready()
            yield

    async def _read(self, args: Mapping[str, Any], _peer: Peer) -> object:
        rows: list[tuple[int, bytes]] = []
        for seq, content in self._rows[args["stream"]].items():
            if seq <= args["after"]:
                continue
            if (rows and seq != rows[-1][0] + 1) or len(rows) == args["limit"]:
                break
            rows.append((seq, content))
        return {"epoch": self.epoch, "rows": rows}

    async def _ack(self, args: Mapping[str, Any], _peer: Peer) -> object:
        assert args["epoch"] == self.epoch
        if self.refusals:
            self.refusals -= 1
            raise RefusedError("the disk is full")
        rows = self._rows[args["stream"]]
        gone = [seq for seq in rows if seq <= args["through"]]
        for seq in gone:
            del rows[seq]
        self.acks += 1
        self._changed.set()
        return {"delivered": len(gone)}

    async def _take_status(self, args: Mapping[str, Any], _peer: Peer) -> None:
        assert args["process"] == "sync"
        self.status = args["status"]
        self._changed.set()


def event(number: int) -> EventRow:
    """Return an alarm's event."""
    return EventRow(
        "alarm", "active", DAY_NS + number, f"event {number}", "P-101",
        "P-101/flow", "high", "", {"value": number, "limit": None},
    )  # fmt: skip


def summary(number: int) -> SummaryRow:
    """Return a roll-up of a minute."""
    return SummaryRow(
        "P-101/flow", DAY_NS + number, 60.0, 60, 0, 1.0, 2.0, 1.5, None, number / 7
    )


def one_of_each(hub: Hub, number: int) -> None:
    """Put one row into every stream."""
    at_ns = DAY_NS + number
    hub.put(Stream.EVENT, event(number))
    hub.put(Stream.SUMMARY, summary(number))
    hub.put(
        Stream.HEALTH,
        HealthRow("P-101", at_ns, 0.2, 1.0, 0.9, False, None, None, None, "", "v1"),
    )
    hub.put(
        Stream.SNIPPET,
        SnippetRow("P-101/DE/vibration", at_ns, 25600.0, 2, b"\x00\xff", "anomaly"),
    )
    hub.put(Stream.GAP, GapRow("acquisition", "killed", at_ns, at_ns + 5, -1, 0, 0))
