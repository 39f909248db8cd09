"""Before anything runs: the neighbours are met, and what a restart means is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind
from appliance.hub.link_source import LinkSource
from appliance.hub.neighbours import Inference, Safety
from appliance.hub.safety_source import SafetySource
from appliance.storage.chain import JOURNAL_HASH, JOURNAL_SEQ

if TYPE_CHECKING:
    from appliance.hub.parts import Parts
    from appliance.hub.recall import Recalled

SAFETY = "safety"


def meet_neighbours(parts: Parts, recalled: Recalled) -> None:
    """Make inference and, where a matrix is declared, safety known to the parts."""
    _meet_inference(parts)
    if parts.ground.config.initiators:
        _meet_safety(parts, recalled)


def tell_start(parts: Parts, recalled: Recalled) -> None:
    """Tell what our own absence took, and that we are back: an anchor of the log."""
    hear, config = parts.pipeline.hear, parts.ground.config
    now_ns = parts.ground.clock.utc_ns()
    if config.uplink is not None:
        for gap in recalled.gaps_of_summaries(config.uplink.summary_period_s):
            parts.gaps.note(gap)
    for event in recalled.events_of_gaps(now_ns):
        hear(event)
    head = recalled.journal
    anchor: dict[str, str | int] = (
        {} if head is None else {JOURNAL_SEQ: head.seq, JOURNAL_HASH: head.hash}
    )
    said = "the hub has started"
    hear(Event(EventKind.SYSTEM, "started", now_ns, said, details=anchor))


def _meet_inference(parts: Parts) -> None:
    ground = parts.ground
    inference = Inference(
        ground.config.assets,
        ground.table.numbers,
        parts.pipeline,
        clock=ground.clock,
        on_change=ground.sources.changed,
    )
    if ground.config.assets:
        ground.sources.expect(inference.name)
    ground.server.on_batch = inference.take
    ground.server.on_leave = inference.leave


def _meet_safety(parts: Parts, recalled: Recalled) -> None:
    ground = parts.ground
    safety = Safety(
        own=frozenset(ground.table.numbers),
        add_tags=ground.add_tags,
        origins=recalled.origins,
        hear=parts.pipeline.hear,
        server=ground.server,
    )
    link = LinkSource(
        ground.safety_socket,
        name=SAFETY,
        register=safety.register,
        on_event=safety.hear,
        last_seen=safety.last_seen,
    )
    ground.sources.add(SafetySource(link, ground.table.numbers))
