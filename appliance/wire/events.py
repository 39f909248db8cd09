"""`Event` ↔ `EventMessage`, and tags ↔ the tag table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind
from appliance.domain.tag import InvalidTagIdError, Tag, parse_tag_id
from appliance.wire.messages import EventMessage, TagEntry, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.tag import TagId


def message_of_event(event: Event, *, pending: bool, seq: int = 0) -> EventMessage:
    """Return the event as a message."""
    return EventMessage(
        kind=event.kind,
        name=event.name,
        time_ns=event.time_ns,
        message=event.message,
        asset=event.asset,
        tag=event.tag,
        priority=event.priority,
        actor=event.actor,
        details=dict(event.details),
        pending=pending,
        seq=seq,
    )


def event_of_message(message: EventMessage) -> Event:
    """Return the message as an event.

    Raises:
        WireError: An unknown kind, or a tag that is not a tag name.
    """
    try:
        return Event(
            kind=EventKind(message.kind),
            name=message.name,
            time_ns=message.time_ns,
            message=message.message,
            asset=message.asset,
            tag=None if message.tag is None else parse_tag_id(message.tag),
            priority=message.priority,
            actor=message.actor,
            details=message.details,
        )
    except ValueError as error:
        raise WireError(f"a broken event: {error}") from error


def tag_table(
    tags: Mapping[TagId, Tag], numbers: Mapping[TagId, int]
) -> tuple[TagEntry, ...]:
    """Return the tag table that a server's hello carries."""
    return tuple(
        TagEntry(
            number=number,
            name=name,
            engineering_units=tags[name].engineering_units,
            range_low=_finite(tags[name].range_low),
            range_high=_finite(tags[name].range_high),
            description=tags[name].description,
            states=tags[name].states,
        )
        for name, number in numbers.items()
        if name in tags
    )


def tag_of_entry(entry: TagEntry) -> Tag:
    """Return the tag of a row of the table.

    Raises:
        WireError: Its name is not a tag name.
    """
    try:
        name = parse_tag_id(entry.name)
    except InvalidTagIdError as error:
        raise WireError(f"a broken tag table: {entry.name!r} {error}") from error
    return Tag(
        id=name,
        engineering_units=entry.engineering_units,
        range_low=-math.inf if entry.range_low is None else entry.range_low,
        range_high=math.inf if entry.range_high is None else entry.range_high,
        description=entry.description,
        states=entry.states,
    )


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None
