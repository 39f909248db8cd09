"""Raw data for the cloud: only when a person at this gateway asks, within a budget."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.config.globs import matcher
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import TagId
from appliance.hub.assets import snippet_of
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader
from appliance.wire.outbox import SnippetRow, Stream, encode_row
from appliance.wire.snippets import pack_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from appliance.config import UplinkSettings
    from appliance.domain.ports import Clock
    from appliance.hub.reports import Outbox
    from appliance.link.server import LinkServer, Peer

RAW = "raw"
RAW_REQUESTED = "raw_requested"
RAW_SNR_DB = 120.0
PIECE_ROWS = 20_000
SAMPLES_MAX, BURSTS_MAX = 1_000_000, 10_000
_DAY_NS = 86_400_000_000_000


def offer_raw(
    server: LinkServer,
    buffer: Path,
    outbox: Outbox,
    *,
    uplink: UplinkSettings,
    hear: Callable[[Event], None],
    clock: Clock,
) -> None:
    """Register `uplink.request_raw`: for operators, never for sync or the cloud."""
    requests = Requests(buffer, outbox, uplink, hear=hear, clock=clock)
    server.operation("uplink.request_raw", requests.take, role=Role.OPERATOR)


class Requests:
    """Puts what was asked for into the snippet stream. The budget is per UTC day.

    What is spent stands in the journal, so that a restart gives nothing back.
    """

    def __init__(
        self,
        buffer: Path,
        outbox: Outbox,
        settings: UplinkSettings,
        *,
        hear: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._buffer = buffer
        self._outbox = outbox
        self._settings = settings
        self._allowed = matcher(settings.tags)
        self._hear = hear
        self._clock = clock
        self._day: int | None = None
        self._spent_bytes = 0

    async def take(self, args: Mapping[str, Any], peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        """Enqueue what is asked for, and put it on record.

        Raises:
            RefusedError: The policy, the budget, or the buffer says no.
        """
        tag, from_ns, to_ns = str(args["tag"]), int(args["from_ns"]), int(args["to_ns"])
        if peer.is_one_of(("sync",)):
            raise RefusedError("raw data is asked for at the gateway alone")
        if "snippet" not in self._settings.sends or not self._allowed(tag):
            raise RefusedError(f"[uplink] does not let {tag!r} leave this site")
        work = partial(raw_rows, self._buffer, tag, from_ns=from_ns, to_ns=to_ns)
        try:
            rows = await asyncio.to_thread(work)
        except StoreOpenError as error:
            raise RefusedError(str(error)) from error
        contents = [encode_row(row) for row in rows]
        size_bytes = sum(map(len, contents))
        await self._begin_day()
        self._spend(size_bytes)
        now_ns = self._clock.utc_ns()
        self._outbox.enqueue(Stream.SNIPPET, contents, now_ns)
        points = sum(row.points for row in rows)
        self._hear(
            Event(
                kind=EventKind.AUDIT,
                name=RAW_REQUESTED,
                time_ns=now_ns,
                message=f"{points} raw values of {tag} are sent to the cloud",
                actor=peer.name,
                details={"from_ns": from_ns, "to_ns": to_ns, "bytes": size_bytes},
            )
        )
        return {"rows": len(rows), "points": points, "bytes": size_bytes}

    async def _begin_day(self) -> None:
        """Take what is on record for today, if that is another day than before."""
        day = self._clock.utc_ns() // _DAY_NS
        if day == self._day:
            return
        try:
            spent_bytes = await asyncio.to_thread(raw_bytes_on, self._buffer, day)
        except StoreOpenError as error:
            raise RefusedError(str(error)) from error
        if day != self._day:  # another request may have begun it, and spent since
            self._day, self._spent_bytes = day, spent_bytes

    def _spend(self, size_bytes: int) -> None:
        left = self._settings.raw_bytes_per_day - self._spent_bytes
        if size_bytes > left:
            raise RefusedError(
                f"{size_bytes} bytes are more than the {max(left, 0)} left of today's"
                " raw_bytes_per_day; ask for a shorter time"
            )
        self._spent_bytes += size_bytes


def raw_bytes_on(buffer: Path, day: int) -> int:
    """Return how many bytes of raw data were asked for on a day since 1970 (UTC).

    Raises:
        StoreOpenError: The buffer cannot be read.
    """
    with open_reader(buffer) as reader:
        acts = reader.events_of_kind(EventKind.AUDIT, from_ns=day * _DAY_NS)
        sizes = (
            each.details["bytes"]
            for each in acts
            if each.name == RAW_REQUESTED and each.time_ns // _DAY_NS == day
        )
        return sum(size for size in sizes if isinstance(size, int))


def raw_rows(
    buffer: Path, tag: str, *, from_ns: int, to_ns: int
) -> Sequence[SnippetRow]:
    """Return what is stored of a tag as rows of the snippet stream.

    Samples are exact; waveforms are rounded `RAW_SNR_DB` below their rms.

    Raises:
        StoreOpenError: The buffer cannot be read.
        RefusedError: There is no such tag, or more than can be sent.
    """
    with open_reader(buffer) as reader:
        if TagId(tag) not in reader.tags():
            raise RefusedError(f"there is no tag {tag!r}")
        found = reader.columns(TagId(tag), from_ns=from_ns, to_ns=to_ns)
        bursts = list(reader.waveforms(TagId(tag), from_ns=from_ns, to_ns=to_ns))
    if len(found.value) > SAMPLES_MAX or len(bursts) > BURSTS_MAX:
        raise RefusedError("that is too much for one request; ask for a shorter time")
    rows = list(_pieces(tag, found))
    rows.extend(
        snippet_of(each, tag, RAW, snr_db=RAW_SNR_DB, points_max=len(each.points))
        for each in bursts
    )
    return rows


def _pieces(tag: str, found: Any) -> Iterator[SnippetRow]:  # noqa: ANN401 - columns of the reader
    good = found.quality > 0
    times, values = found.source_time_ns[good], found.value[good]
    for begin in range(0, len(times), PIECE_ROWS):
        end = min(begin + PIECE_ROWS, len(times))
        yield SnippetRow(
            tag=tag,
            start_ns=int(times[begin]),
            sample_rate_hz=0.0,
            points=end - begin,
            content=pack_samples(times[begin:end], values[begin:end]),
            reason=RAW,
        )
