"""Maintenance done: put on record, its episode closed, told to whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.domain.maintenance import (
    WHAT_MAX,
    Maintenance,
    event_of_maintenance,
    maintenance_of_event,
)
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.storage.connection import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.hub.assets import Assets
    from appliance.hub.recorder import EventRecorder
    from appliance.link.server import LinkServer, Peer


class Upkeep:
    """Remembers the last maintenance of each asset. `recalled` are the log's words.

    Inference hears of it by the event when it is committed, and by `asset.upkeep`
    when it comes back, so a restart of either side forgets nothing.
    """

    def __init__(
        self,
        assets: Assets,
        recorder: EventRecorder,
        hear: Callable[[Event], None],
        *,
        clock: Clock,
        recalled: Mapping[str, Event],
    ) -> None:
        self._assets = assets
        self._recorder = recorder
        self._hear = hear
        self._clock = clock
        known = (maintenance_of_event(event) for event in recalled.values())
        self._last = {done.asset: done for done in known if done is not None}

    def offer(self, server: LinkServer) -> None:
        """Register the operations."""
        server.operation("asset.maintained", self._maintained, role=Role.MAINTAINER)
        server.operation("asset.upkeep", self._tell)

    async def _maintained(self, args: Mapping[str, Any], peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        """`{asset, what, at_ns?}` → `{seq, at_ns, since_ns}`, when it is committed."""
        now_ns = self._clock.utc_ns()
        done = self._checked(args, now_ns)
        event = event_of_maintenance(done, time_ns=now_ns, actor=peer.name)
        self._last[done.asset] = done
        try:
            seq = await self._recorder.record(event)
        except StoreUnavailableError as error:
            raise RefusedError(
                f"it is done, but not yet on record, and would not survive: {error}"
            ) from error
        finally:
            self._close_episode(done)
        return {"seq": seq, "at_ns": done.at_ns, "since_ns": done.since_ns}

    def _close_episode(self, done: Maintenance) -> None:
        """End the anomaly that the work has ended; a younger one stands."""
        if done.since_ns is None:
            return
        for end in self._assets.close(done.asset, utc_ns=self._clock.utc_ns()):
            self._hear(end)

    def _checked(self, args: Mapping[str, Any], now_ns: int) -> Maintenance:
        asset, what = str(args["asset"]), " ".join(str(args["what"]).split())
        at_ns = now_ns if args.get("at_ns") is None else int(args["at_ns"])
        last = self._last.get(asset)
        if not self._assets.knows(asset):
            raise RefusedError(f"there is no asset {asset!r}")
        if not 0 < len(what) <= WHAT_MAX:
            raise RefusedError(f"say what was done, in 1 to {WHAT_MAX} characters")
        if not 0 < at_ns <= now_ns:
            raise RefusedError("what will be done is not done: its time is ahead")
        if last is not None and at_ns < last.at_ns:
            raise RefusedError(f"later work is on record already: {last.what}")
        since_ns = self._assets.since_ns(asset)
        began_before = since_ns is not None and since_ns <= at_ns
        return Maintenance(asset, at_ns, what, since_ns if began_before else None)

    async def _tell(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        """`{}` → by asset: `{at_ns, what, since_ns}` of its last maintenance."""
        return {
            asset: {"at_ns": each.at_ns, "what": each.what, "since_ns": each.since_ns}
            for asset, each in self._last.items()
        }
