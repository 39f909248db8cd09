"""Tells what scans bring: events at once and again when durable; tags on change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind
from appliance.safety.maintenance import NO_LIFE, token_of
from appliance.safety.tags import GROUP, samples
from appliance.wire.events import message_of_event
from appliance.wire.samples import message_of_samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from appliance.link.server import LinkServer
    from appliance.safety.journal import Journal
    from appliance.safety.maintenance import Life, Token
    from appliance.safety.scan import Scan
    from appliance.safety.tags import TagBoard
    from appliance.safety.turn import State

AT_LEAST_EVERY_S = 0.5
"""Tags are told this often while nothing changes."""


class Announcer:
    """Journals and publishes; never waits.

    With every event it journals what is latched and, while the PLC has the machine,
    the token by which the next life of these rules may find that.
    """

    def __init__(
        self,
        link: LinkServer,
        journal: Journal,
        *,
        board: TagBoard,
        clock: Clock,
        life: Life = NO_LIFE,
    ) -> None:
        self._link = link
        self._journal = journal
        self._board = board
        self._clock = clock
        self._life = life
        self._shown: dict[TagId, float] = {}
        self._shown_at_s: float | None = None
        self._causes: dict[str, tuple[str, ...]] = {}
        self._token: Token | None = None
        journal.on_committed = link.publish_event
        journal.on_trouble = self.tell_trouble

    def tell(self, events: Iterable[Event], state: State) -> None:
        """Show events as pending and queue them, with what is latched, for the disk."""
        now_ns = self._clock.utc_ns()
        latches = state.latches.items()
        self._causes = {name: each.causes for name, each in latches if each.tripped}
        self._token = token_of(state.handover, self._life)
        for event in events:
            self._tell(replace(event, time_ns=now_ns))

    def tell_trouble(self, text: str) -> None:
        """Say that the journal is not durable now."""
        event = Event(
            kind=EventKind.SYSTEM,
            name="journal_failed",
            time_ns=self._clock.utc_ns(),
            message=f"safety's journal is kept in memory only: {text}",
            priority="high",
        )
        self._tell(event)

    def show(self, scan: Scan) -> None:
        """Publish the tags if a state among them changed, or it has been a while."""
        values = self._board.values(scan)
        now_s = self._clock.now_s()
        shown_s = self._shown_at_s
        due = shown_s is None or now_s - shown_s >= AT_LEAST_EVERY_S
        if not due and not self._board.differ(values, self._shown):
            return
        self._shown, self._shown_at_s = values, now_s
        now_ns = self._clock.utc_ns()
        message = message_of_samples(
            samples(values, now_ns),
            self._board.numbers,
            receive_time_ns=now_ns,
            group=GROUP,
        )
        self._link.publish_batch(message)

    def _tell(self, event: Event) -> None:
        message = message_of_event(event, pending=True)
        self._link.publish_event(message)
        self._journal.append(message, self._causes, self._token)
