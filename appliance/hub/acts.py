"""What people and our other processes may ask of the hub, by name.

What they may ask of the alarms is in `hub.alarm_acts`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from appliance.domain.event import Event, EventKind
from appliance.domain.tag import TagId
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.storage.connection import StoreUnavailableError
from appliance.storage.outbox import READ_MAX_BYTES, AckRefusedError
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.ports import Clock
    from appliance.hub.recorder import EventRecorder
    from appliance.hub.tagtable import TagTable
    from appliance.link.server import LinkServer, Peer
    from appliance.storage.history import History
    from appliance.storage.outbox import StreamStatus
    from appliance.storage.store import BufferStore

_ROWS_MAX = 10_000
_POINTS_MAX = 50_000
_PROCESSES = frozenset({"safety", "inference", "sync", "dashboard"})
_REPORTING = ("inference", "sync")


class Archive(Protocol):
    """What the acts need of the store (see `storage.store`)."""

    epoch: str

    async def outbox_read(
        self,
        stream: Stream,
        after: int,
        limit: int,
        *,
        max_bytes: int = READ_MAX_BYTES,
    ) -> list[tuple[int, bytes]]:
        """Return contiguous rows beyond `after`, of at most `max_bytes` together."""
        ...

    async def outbox_ack(self, epoch: str, stream: Stream, through: int) -> int:
        """Remove rows as delivered."""
        ...

    async def outbox_status(self) -> dict[Stream, StreamStatus]:
        """Return where every stream stands."""
        ...

    async def history(
        self, tag: int, from_ns: int, to_ns: int, *, points: int
    ) -> History:
        """Return a tag's past."""
        ...


class Acts:
    """The hub's operations. `offer` registers them on the link, each with its role."""

    def __init__(
        self,
        *,
        store: Archive,
        table: TagTable,
        recorder: EventRecorder,
        clock: Clock,
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._store = store
        self._table = table
        self._recorder = recorder
        self._clock = clock
        self._status = status
        self.processes: dict[str, Mapping[str, Any]] = {}
        """The last word of each of the other processes on itself."""
        self._flushes = 0

    def offer(self, server: LinkServer) -> None:
        """Register every operation."""
        server.operation("status", self._tell_status)
        server.operation("history", self._history)
        for op, run, role, processes in (
            ("process.status", self._process_status, Role.OPERATOR, _REPORTING),
            ("model.may_activate", _well, Role.MAINTAINER, ("sync",)),
            ("model.activate", self._activate, Role.MAINTAINER, ("sync",)),
            ("outbox.ack", self._outbox_ack, Role.OPERATOR, ("sync",)),
        ):
            server.operation(op, run, role=role, processes=processes)
        server.operation("outbox.read", self._outbox_read)
        server.operation("outbox.status", self._outbox_status)
        server.operation("uplink.flush", self._flush, role=Role.OPERATOR)

    async def _tell_status(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        return {**self._status(), "processes": dict(self.processes)}

    async def _process_status(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        if args["process"] not in _PROCESSES:
            raise RefusedError(f"{args['process']!r} is none of our processes")
        self.processes[args["process"]] = dict(args["status"])
        return {"flush": self._flushes}

    async def _flush(self, _args: Mapping[str, Any], _peer: Peer) -> None:
        """Tell sync, with its next word, that nothing shall wait for company."""
        self._flushes += 1

    async def _history(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        number = self._table.numbers.get(TagId(args["tag"]))
        if number is None:
            raise RefusedError(f"there is no tag {args['tag']!r}")
        points = min(max(int(args["points"]), 2), _POINTS_MAX)
        found = await self._store.history(
            number, int(args["from_ns"]), int(args["to_ns"]), points=points
        )
        server = found.server_time_ns
        return {
            "source_time_ns": found.source_time_ns.tolist(),
            "value": found.value.tolist(),
            "quality": found.quality.tolist(),
            **({} if server is None else {"server_time_ns": server.tolist()}),
        }

    async def _outbox_read(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        limit = min(max(int(args["limit"]), 1), _ROWS_MAX)
        stream = Stream(args["stream"])
        max_bytes = int(args.get("max_bytes", READ_MAX_BYTES))
        rows = await self._store.outbox_read(
            stream, int(args["after"]), limit, max_bytes=max_bytes
        )
        return {"epoch": self._store.epoch, "rows": rows}

    async def _outbox_ack(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        stream = Stream(args["stream"])
        try:
            delivered = await self._store.outbox_ack(
                str(args["epoch"]), stream, int(args["through"])
            )
        except (AckRefusedError, StoreUnavailableError) as error:
            raise RefusedError(str(error)) from error
        return {"delivered": delivered}

    async def _outbox_status(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        try:
            found = await self._store.outbox_status()
        except StoreUnavailableError as error:
            raise RefusedError(str(error)) from error
        return {str(stream): asdict(status) for stream, status in found.items()}

    async def _activate(self, args: Mapping[str, Any], peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        asset, version = str(args["asset"]), str(args["version"])
        event = Event(
            kind=EventKind.MODEL,
            name="activate",
            time_ns=self._clock.utc_ns(),
            message=f"model {version} of {asset} is activated",
            asset=asset,
            actor=peer.name,
            details={"asset": asset, "version": version},
        )
        return {"seq": await self._record(event)}

    async def _record(self, event: Event) -> int:
        """A person is told "done" when it is committed, not before."""
        try:
            return await self._recorder.record(event)
        except StoreUnavailableError as error:
            raise RefusedError(
                f"it is done, but not yet on record, and would not survive: {error}"
            ) from error


def storage_status(store: BufferStore) -> dict[str, Any]:
    """Return how the buffer does."""
    usage = store.usage
    return {
        "healthy": store.healthy,
        "last_error": store.last_error,
        "diagnostics": [asdict(each) for each in store.diagnostics],
        "usage": None if usage is None else asdict(usage),
        "tiers_bytes": {str(period): each for period, each in store.tiers.items()},
    }


async def _well(_args: Mapping[str, Any], _peer: Peer) -> None:
    """Whoever comes so far has the role."""
