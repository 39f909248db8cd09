"""Which operations the hub offers on the link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.alarms.metrics import Metrics
from appliance.hub.alarm_acts import AlarmActs
from appliance.hub.calls import offer_callout
from appliance.hub.changes import offer_changes
from appliance.hub.describe import offer_description
from appliance.hub.requests import offer_raw
from appliance.hub.upkeep import Upkeep

if TYPE_CHECKING:
    from appliance.hub.parts import Parts
    from appliance.hub.recall import Recalled


def offer_operations(parts: Parts, recalled: Recalled) -> None:
    """Register them all; call-out takes up again where the log left it.

    Raises:
        StoreOpenError: The buffer cannot be read.
    """
    ground, server = parts.ground, parts.ground.server
    parts.acts.offer(server)
    _offer_upkeep(parts, recalled)
    offer_changes(server, parts.assets, parts.pipeline.hear, clock=ground.clock)
    offer_description(server, ground.config)
    _offer_alarms(parts, recalled)
    offer_callout(parts.callout, server, ground.buffer, recalled.alarms)
    _offer_raw(parts)
    parts.reads.offer(server)


def _offer_upkeep(parts: Parts, recalled: Recalled) -> None:
    Upkeep(
        parts.assets,
        parts.ground.recorder,
        parts.pipeline.hear,
        clock=parts.ground.clock,
        recalled=recalled.upkeep,
    ).offer(parts.ground.server)


def _offer_alarms(parts: Parts, recalled: Recalled) -> None:
    """Let people act on alarms; count from now on how good those are."""
    ground = parts.ground
    metrics = Metrics(ground.clock.utc_ns(), recalled.alarms)
    ground.recorder.on_record = metrics.add
    AlarmActs(
        parts.alarms,
        recorder=ground.recorder,
        clock=ground.clock,
        assets=parts.assets,
        metrics=metrics,
        buffer=ground.buffer,
    ).offer(ground.server)


def _offer_raw(parts: Parts) -> None:
    """Let a person here send raw data of this buffer to the cloud."""
    ground = parts.ground
    if ground.config.uplink is not None:
        offer_raw(
            ground.server,
            ground.buffer,
            ground.store,
            uplink=ground.config.uplink,
            hear=parts.pipeline.hear,
            clock=ground.clock,
        )
