"""From the configuration to what features and windows need to know of an asset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.domain.tag import TagId, asset_of
from models.features import AssetModel, BearingGeometry, Running
from models.features.zones import SeverityClass

if TYPE_CHECKING:
    from appliance.config import AssetSettings, Config
    from appliance.domain.tag import Tag


def asset_model(config: Config, asset: AssetSettings) -> AssetModel:
    """Return the asset as windows and features see it."""
    detection, running = asset.detection, asset.running
    scored = _scored_tags(config, asset)
    return AssetModel(
        asset=asset.id,
        tags=scored,
        window_s=detection.window_s,
        hop_s=detection.hop_s,
        hold_s=max((source.stale_after_s for source in config.sources), default=5.0),
        running=None
        if running is None
        else Running(TagId(running.tag), running.above, running.settle_s),
        waveform_tag=_tag_id(asset.waveform_tag),
        speed_tag=_tag_id(asset.speed_tag),
        bearing=_geometry(asset),
        gear_teeth=asset.gear_teeth,
        blades=asset.blades,
        severity=_severity(asset),
        mode_tags=_mode_tags(asset),
        context_tags=_context_tags(asset, scored),
        rhythms=detection.features,
    )


def _mode_tags(asset: AssetSettings) -> tuple[TagId, ...]:
    """Return what tells the mode; where nobody says, it is the speed."""
    modes = asset.modes
    if modes.tag is not None:
        return (TagId(modes.tag),)
    if modes.tags:
        return tuple(map(TagId, dict.fromkeys(modes.tags)))
    return () if asset.speed_tag is None else (TagId(asset.speed_tag),)


def _scored_tags(config: Config, asset: AssetSettings) -> tuple[Tag, ...]:
    """Return the named tags, or all of the asset but hour meter and waveform."""
    wanted = set(asset.detection.tags)
    apart = {asset.hour_meter, asset.waveform_tag}
    return tuple(
        tag
        for tag in config.measured_tags()
        if (tag.id in wanted if wanted else asset_of(tag.id) == asset.id)
        and tag.id not in apart
    )


def _geometry(asset: AssetSettings) -> BearingGeometry | None:
    bearing = asset.bearing
    if bearing is None:
        return None
    return BearingGeometry(
        balls=bearing.balls,
        ball_diameter_mm=bearing.ball_diameter_mm,
        pitch_diameter_mm=bearing.pitch_diameter_mm,
        contact_angle_deg=bearing.contact_angle_deg,
    )


def _context_tags(asset: AssetSettings, scored: tuple[Tag, ...]) -> tuple[TagId, ...]:
    """Return the tags that somebody said tell a quantity, and that are not scored."""
    known = {tag.id for tag in scored}
    told = dict.fromkeys(TagId(tag) for _, tag in asset.quantities if tag is not None)
    return tuple(tag for tag in told if tag not in known)


def _severity(asset: AssetSettings) -> SeverityClass | None:
    severity = asset.severity
    if severity is None:
        return None
    return SeverityClass(
        standard=severity.standard,
        power_kw=severity.power_kw,
        mounting=severity.mounting,
        category=severity.category,
    )


def _tag_id(name: str | None) -> TagId | None:
    return None if name is None else TagId(name)
