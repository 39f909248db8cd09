"""What safety tells as tags: to the hub it is one more source."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.domain.sample import (
    STATUS_BAD_WAITING,
    STATUS_GOOD,
    Sample,
    quality_of_status,
)
from appliance.domain.tag import Tag, TagId, parse_tag_id
from appliance.safety.row import margin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.config import Config, InitiatorSettings
    from appliance.safety.logic import State
    from appliance.safety.scan import Scan

GROUP = "safety"
ASSET = "safety"
TRIP_TAG = parse_tag_id("safety/trip")
BYPASSES_TAG = parse_tag_id("safety/bypasses")
HEARTBEAT_TAG = parse_tag_id("safety/heartbeat")
SCAN_DURATION_TAG = parse_tag_id("safety/scan_duration_ms")
SCAN_OVERRUNS_TAG = parse_tag_id("safety/scan_overruns")

_PART_MAX_BYTES = 90
_OF_ALL = (
    Tag(TRIP_TAG, "", 0.0, 1.0, "1 while anything is tripped"),
    Tag(BYPASSES_TAG, "", 0.0, math.inf, "initiators that are bypassed"),
    Tag(HEARTBEAT_TAG, "", 0.0, 65_535.0, "the number last beaten"),
    Tag(SCAN_DURATION_TAG, "ms", 0.0, math.inf, "length of the last scan"),
    Tag(SCAN_OVERRUNS_TAG, "", 0.0, math.inf, "places of the scan's grid missed"),
)


def safety_tags(config: Config) -> tuple[Tag, ...]:
    """Return the tags that safety publishes for a configuration."""
    return TagBoard(config.initiators).tags


class TagBoard:
    """The tags of a matrix, with safety's own numbers, and their values.

    Of each initiator: `margin` (distance to the setpoint, negative beyond it), `demand`
    (1 while it demands, bypassed or not) and `tripped` (1 from then until the reset).
    """

    def __init__(self, rows: Sequence[InitiatorSettings]) -> None:
        self._rows = tuple(rows)
        self._parts = _parts([row.id for row in rows])
        self._margins = self._names("margin")
        self._demands = self._names("demand")
        self._trips = self._names("tripped")
        self.tags = (
            *_OF_ALL,
            *self._described(self._margins, "distance to the setpoint"),
            *self._described(self._demands, "1 while it demands the stop"),
            *self._described(self._trips, "1 from its demand until the reset"),
        )
        self.numbers = {tag.id: place for place, tag in enumerate(self.tags, start=1)}

    def values(self, scan: Scan) -> dict[TagId, float]:
        """Return the value of every tag after a scan; NaN where there is none."""
        state, kept = scan.state, scan.punctuality
        found = {
            TRIP_TAG: float(any(each.tripped for each in state.latches.values())),
            BYPASSES_TAG: float(_bypasses(state)),
            HEARTBEAT_TAG: float(scan.heartbeat),
            SCAN_DURATION_TAG: 1000 * kept.last_s,
            SCAN_OVERRUNS_TAG: float(kept.overruns),
        }
        causes = {cause for each in state.latches.values() for cause in each.causes}
        for place, row in enumerate(self._rows):
            found[self._margins[place]] = margin_of(row, state.rows[row.id])
            found[self._demands[place]] = float(state.rows[row.id].bare_demand)
            found[self._trips[place]] = float(row.id in causes)
        return found

    def differ(self, new: Mapping[TagId, float], old: Mapping[TagId, float]) -> bool:
        """Say whether anything changed that is news at once: states, not measures."""
        states = (TRIP_TAG, BYPASSES_TAG, *self._demands, *self._trips)
        return any(new[tag] != old.get(tag) for tag in states)

    def _names(self, quantity: str) -> tuple[TagId, ...]:
        return tuple(parse_tag_id(f"{ASSET}/{part}/{quantity}") for part in self._parts)

    def _described(self, names: tuple[TagId, ...], what: str) -> list[Tag]:
        pairs = zip(names, self._rows, strict=True)
        return [Tag(name, "", description=f"{row.id}: {what}") for name, row in pairs]


def samples(found: Mapping[TagId, float], now_ns: int) -> tuple[Sample, ...]:
    """Return the values as samples of this moment; NaN is bad."""
    return tuple(_sample(tag, value, now_ns) for tag, value in found.items())


def _sample(tag: TagId, value: float, now_ns: int) -> Sample:
    status = STATUS_BAD_WAITING if math.isnan(value) else STATUS_GOOD
    return Sample(
        tag=tag,
        value=value,
        quality=quality_of_status(status),
        status=status,
        source_time_ns=now_ns,
        receive_time_ns=now_ns,
    )


def _bypasses(state: State) -> int:
    return sum(row.bypass is not None for row in state.rows.values())


def _parts(ids: Sequence[str]) -> list[str]:
    """Return each id as a part of a tag name: legal, short, and no two alike."""
    parts: list[str] = []
    for text in ids:
        part = _legal(text).strip() or "_"
        while part in parts:
            part += "_"
        parts.append(part)
    return parts


def _legal(text: str) -> str:
    legal = "".join(c if c.isprintable() and c not in "/+#" else "_" for c in text)
    return legal.encode()[:_PART_MAX_BYTES].decode(errors="ignore")
