"""Joins call-out to the hub, where the configuration wants anybody called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.hub.callout import Callout
from appliance.link.server import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.alarms.engine import AlarmEngine
    from appliance.config import Config
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from appliance.hub.latest import Latest
    from appliance.hub.recorder import EventRecorder
    from appliance.link.server import LinkServer, Peer


def callout_of(
    config: Config,
    *,
    alarms: AlarmEngine,
    recorder: EventRecorder,
    latest: Latest,
    numbers: Mapping[TagId, int],
    clock: Clock,
) -> Callout | None:
    """Return what calls people, or None where the configuration wants nobody called."""
    if config.callout is None:
        return None
    return Callout(
        config.callout,
        config,
        alarms=alarms,
        recorder=recorder,
        latest=latest,
        numbers=numbers,
        clock=clock,
    )


def offer_callout(
    callout: Callout | None, server: LinkServer, buffer: Path, last: Mapping[str, Event]
) -> None:
    """Take up again where the log left it, and register the operations.

    Raises:
        StoreOpenError: The buffer cannot be read.
    """
    if callout is None:
        server.operation("calls.test", _refuse)
        return
    callout.recall(buffer, last)
    callout.offer(server)


async def _refuse(_args: Mapping[str, Any], _peer: Peer) -> None:
    raise RefusedError("nobody is called: there is no [callout] in the configuration")
