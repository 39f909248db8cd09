"""Where every tag comes from: what the alarms need to know of sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.alarms.watch import Place
from appliance.domain.health import derived_group, derived_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import Config
    from appliance.domain.ports import Source
    from appliance.domain.tag import TagId

DERIVED_STALE_HOPS = 5
"""After so many windows without a word of inference its tags are stale."""


def places_of(
    config: Config, sources: Mapping[str, Source], numbers: Mapping[TagId, int]
) -> dict[TagId, Place]:
    """Return the place of every measured and derived tag."""
    units = {tag.id: tag.engineering_units for tag in config.measured_tags()}
    places = {
        tag: Place(numbers[tag], group, settings.stale_after_s, units[tag])
        for settings in config.sources
        for group, tags in sources[settings.name].groups.items()
        for tag in tags
    }
    for asset in config.assets:
        group, late_s = derived_group(asset.id), asset.detection.hop_s
        late_s *= DERIVED_STALE_HOPS
        for tag in derived_tags(asset.id):
            number, shown = numbers[tag.id], tag.engineering_units
            places[tag.id] = Place(number, group, late_s, shown)
    return places
