"""What a person's window needs to know of the configuration: plain dicts, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.domain.health import derived_tags
from models.features.bearing import BearingGeometry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import AssetSettings, Config, InitiatorSettings
    from appliance.link.server import LinkServer, Peer

_ONE_TURN_PER_SECOND_RPM = 60.0
_HOPS_UNTIL_STALE = 5


def offer_description(server: LinkServer, config: Config) -> None:
    """Register the operation `describe` {} → `describe(config)`."""
    answer = describe(config)

    async def tell(_args: Mapping[str, Any], _peer: Peer) -> dict[str, Any]:
        return answer

    server.operation("describe", tell)


def describe(config: Config) -> dict[str, Any]:
    """Return site, assets, sources, alarms and initiators, as configured.

    `bearing_orders` are defect frequencies as multiples of the shaft's: times the
    speed in Hz they are where damage shows.
    """
    return {
        "site": config.site.id,
        "gateway": config.site.gateway,
        "assets": [_asset(asset) for asset in config.assets],
        "sources": [
            {
                "name": source.name,
                "connector": source.connector,
                "stale_after_s": source.stale_after_s,
            }
            for source in config.sources
        ],
        "alarms": [
            {
                "id": alarm.id,
                "tag": alarm.tag,
                "rule": alarm.rule,
                "setpoint": alarm.setpoint,
                "priority": alarm.priority,
            }
            for alarm in config.alarms
        ],
        "initiators": [_initiator(config, row) for row in config.initiators],
    }


def _asset(asset: AssetSettings) -> dict[str, Any]:
    failure, running = asset.failure, asset.running
    return {
        "id": asset.id,
        "kind": asset.kind,
        "description": asset.description,
        "hour_meter": asset.hour_meter,
        "speed_tag": asset.speed_tag,
        "waveform_tag": asset.waveform_tag,
        "running_tag": None if running is None else running.tag,
        "failure_tag": None if failure is None else failure.tag,
        "failure_level": None if failure is None else failure.level,
        "bearing_orders": _orders(asset),
        "derived_tags": [tag.id for tag in derived_tags(asset.id)],
        "derived_stale_after_s": _HOPS_UNTIL_STALE * asset.detection.hop_s,
    }


def _orders(asset: AssetSettings) -> dict[str, float]:
    bearing = asset.bearing
    if bearing is None:
        return {}
    geometry = BearingGeometry(
        balls=bearing.balls,
        ball_diameter_mm=bearing.ball_diameter_mm,
        pitch_diameter_mm=bearing.pitch_diameter_mm,
        contact_angle_deg=bearing.contact_angle_deg,
    )
    found = geometry.frequencies(_ONE_TURN_PER_SECOND_RPM)
    return {name.upper(): order for name, order in found._asdict().items()}


def _initiator(config: Config, row: InitiatorSettings) -> dict[str, Any]:
    units: dict[str, str] = {
        tag.id: tag.engineering_units
        for source in config.safety_sources
        for tag in source.tag_table()
    }
    first = row.channels[0] if row.channels else ""
    return {
        "id": row.id,
        "channels": list(row.channels),
        "condition": row.condition,
        "setpoint": row.setpoint,
        "setpoint_low": row.setpoint_low,
        "engineering_units": units.get(first, ""),
        "vote": row.vote,
        "elements": list(config.matrix.get(row.id, ())),
        "cause": row.cause,
        "consequence": row.consequence,
        "action": row.action,
    }
