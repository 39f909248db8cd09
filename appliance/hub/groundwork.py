"""What the other parts of the hub stand on: there before a tag has its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.hub.latest import Latest
from appliance.hub.recorder import EventRecorder
from appliance.hub.sources import Sources
from appliance.hub.summaries import Summaries
from appliance.hub.tagtable import TagTable
from appliance.link.roles import role_resolver
from appliance.link.server import LinkServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId
    from appliance.hub.timekeeping import ClockWatch
    from appliance.storage.store import BufferStore

HUB_SOCKET = "hub.sock"
SAFETY_SOCKET = "safety.sock"


class Groundwork:
    """The open store, and what is built beside it from the configuration alone.

    `buffer` is the store's file, for what is read from it apart from the store.
    """

    def __init__(
        self,
        config: Config,
        store: BufferStore,
        *,
        buffer: Path,
        run_dir: Path,
        clock: Clock,
        watch: ClockWatch,
    ) -> None:
        self.config = config
        self.store = store
        self.buffer = buffer
        self.clock = clock
        self.watch = watch
        self.safety_socket = run_dir / SAFETY_SOCKET
        self.latest = Latest()
        self.table = TagTable()
        self.server = LinkServer(
            run_dir / HUB_SOCKET, process="hub", role_of=role_resolver(config.roles)
        )
        self.recorder = EventRecorder(store, self.server.publish_event, clock=clock)
        self.sources = Sources(config.sources, clock=clock, hear=self.recorder.tell)
        uplink = config.uplink
        self.summaries = None if uplink is None else Summaries(uplink.summary_period_s)

    async def add_tags(self, tags: Sequence[Tag]) -> Mapping[TagId, int]:
        """Give every tag its number; make room for it, and show it on the link.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        numbers = await self.store.register(tags)
        self.table.add(tags, numbers)
        self.latest.grow(self.table.size)
        if self.summaries is not None:
            self.summaries.grow(self.table.size)
        self.server.set_tags(self.store.epoch, self.table.entries())
        return numbers
