"""The hub's dealings with safety and inference: what they send becomes ours."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.acquisition.supervisor import SourceState
from appliance.domain.batch import bad_batch
from appliance.domain.era import NS_PER_US, era_of
from appliance.domain.health import derived_group, derived_tags
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION
from appliance.link.roles import Role
from appliance.storage.connection import StoreUnavailableError
from appliance.storage.remembered import ORIGIN_EPOCH, ORIGIN_SEQ
from appliance.wire.batches import batch_of_message
from appliance.wire.events import event_of_message
from appliance.wire.messages import WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from appliance.acquisition.supervisor import OnChange
    from appliance.config import AssetSettings
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId
    from appliance.hub.pipeline import Pipeline
    from appliance.link.server import LinkServer, Peer
    from appliance.wire.messages import BatchMessage, EventMessage

log = logging.getLogger(__name__)


class Inference:
    """Derived batches come over the link; when their sender leaves, the tags go bad."""

    name = "inference"

    def __init__(
        self,
        assets: Sequence[AssetSettings],
        numbers: Mapping[TagId, int],
        pipeline: Pipeline,
        *,
        clock: Clock,
        on_change: OnChange,
    ) -> None:
        self._groups = {
            derived_group(asset.id): [numbers[tag.id] for tag in derived_tags(asset.id)]
            for asset in assets
        }
        self._pipeline = pipeline
        self._clock = clock
        self._on_change = on_change
        self._sender: Peer | None = None

    async def take(self, message: BatchMessage, peer: Peer) -> None:
        """Ingest a derived batch.

        Raises:
            WireError: Not one, or not from one who may send it; he is disconnected.
        """
        if peer.role < Role.OPERATOR and not peer.is_one_of(("inference",)):
            raise WireError(f"{peer.name} may not send derived tags")
        if self._sender is not None and self._sender is not peer:
            raise WireError("another process sends the derived tags already")
        batch = batch_of_message(message)
        own = self._groups.get(batch.group)
        texts = [text.tag for text in batch.texts]
        known = own is not None and np.isin([*batch.tag.tolist(), *texts], own).all()
        if not known or batch.waveforms:
            raise WireError("a batch is not of one asset's derived tags")
        if self._sender is None:
            self._sender = peer
            self._on_change(self.name, SourceState.CONNECTED, "")
        now_ns = self._clock.utc_ns()
        # Its times are of this machine's clock, whose mark they are to bear.
        times = batch.source_time_ns // NS_PER_US * NS_PER_US + era_of(now_ns)
        self._pipeline.ingest(
            replace(batch, source_time_ns=times, receive_time_ns=now_ns)
        )

    async def leave(self, peer: Peer) -> None:
        """Make the derived tags bad if it was their sender who left."""
        if self._sender is not peer:
            return
        self._sender = None
        log.warning("inference has left: its tags are bad")
        self._on_change(self.name, SourceState.LOST, "the process has left")
        now_ns = self._clock.utc_ns()
        for group, numbers in self._groups.items():
            status = STATUS_BAD_NO_COMMUNICATION
            batch = bad_batch(numbers, status, time_ns=now_ns, group=group)
            self._pipeline.ingest(batch)


class Safety:
    """What `LinkSource` needs to read safety: numbers for its tags, a place for events.

    `own` are the tags that the hub reads or computes itself: they stay its own.
    `origins` is the highest event number on record, by epoch of safety's journal.
    """

    def __init__(
        self,
        *,
        own: frozenset[TagId],
        add_tags: Callable[[Sequence[Tag]], Awaitable[Mapping[TagId, int]]],
        origins: Mapping[str, int],
        hear: Callable[[Event], None],
        server: LinkServer,
    ) -> None:
        self._own = own
        self._add_tags = add_tags
        self._origins = dict(origins)
        self._hear = hear
        self._server = server

    async def register(self, tags: Sequence[Tag]) -> Mapping[TagId, int]:
        """Return numbers for the tags that only safety has.

        Raises:
            SourceUnavailableError: The disk refused; try again.
        """
        try:
            return await self._add_tags(
                [tag for tag in tags if tag.id not in self._own]
            )
        except StoreUnavailableError as error:
            raise SourceUnavailableError(str(error)) from error

    def last_seen(self, epoch: str) -> int:
        """Return the number of the last event of an epoch that we have taken."""
        return self._origins.get(epoch, 0)

    def hear(self, message: EventMessage, epoch: str) -> None:
        """Show an event; take it once, when safety has committed it."""
        if message.pending:
            self._server.publish_event(message)
            return
        if message.seq <= self.last_seen(epoch):
            return
        self._origins[epoch] = message.seq
        try:
            event = event_of_message(message)
        except WireError as error:
            log.error("an event of safety is not understood: %s", error)  # noqa: TRY400 - it ends here; a trace says nothing more
            return
        origin: dict[str, str | int] = {ORIGIN_EPOCH: epoch, ORIGIN_SEQ: message.seq}
        self._hear(replace(event, details={**event.details, **origin}))
