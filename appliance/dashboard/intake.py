"""What arrives: feeds post messages, and only the `@on` methods change the state."""

from __future__ import annotations

import random
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import App

from appliance.dashboard.feed import HUB_QUESTIONS, SAFETY_QUESTIONS, Feed, Question
from appliance.dashboard.messages import (
    Answered,
    GapsArrived,
    HistoryArrived,
    LinkDown,
    LinkUp,
    NewsArrived,
    Said,
    ShelfRead,
)
from appliance.dashboard.model import HUB, SAFETY, Now, Plant, history_of
from appliance.runtime.backoff import Backoff
from appliance.wire.messages import BatchMessage, EventMessage, Lost, WireError

if TYPE_CHECKING:
    from pathlib import Path

    from textual.driver import Driver
    from textual.message import Message
    from textual.worker import WorkType

    from appliance.dashboard.record import Recorder
    from appliance.domain.ports import Clock

NOTICE_S = 10.0
RELINK_EVERY_S = 5.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.3, 3.0


class Intake(App[None]):
    """Keeps the links and the state of the view; what shows it is the dashboard."""

    def __init__(
        self,
        run_dir: Path,
        *,
        clock: Clock,
        driver_class: type[Driver] | None = None,
        recorder: Recorder | None = None,
        read_only: str = "",
    ) -> None:
        super().__init__(driver_class=driver_class)
        self.read_only = read_only
        self._recorder = recorder
        self.clock = clock
        self.run_dir = run_dir
        self.plant = Plant()
        self.hub = self._feed(HUB, ("newest", "events"), HUB_QUESTIONS)
        self.safety = self._feed(SAFETY, ("events",), SAFETY_QUESTIONS)
        self._notice = Said("")
        self._notice_until_s = 0.0
        self._relinked_s = float("-inf")

    @property
    def now(self) -> Now:
        """This moment."""
        return Now(self.clock.now_s(), self.clock.utc_ns())

    @property
    def notice(self) -> Said | None:
        """What is to be said about the last act, for a while."""
        fresh = self.clock.now_s() < self._notice_until_s
        return self._notice if self._notice.text and fresh else None

    @abstractmethod
    def redraw(self) -> None:
        """Show what has changed."""

    @abstractmethod
    def redraw_if_free(self) -> None:
        """Show what has changed, unless the line to the terminal is busy."""

    def tell(self, message: Message) -> None:
        """Take what a worker found out: it is noted in the session file, if any.

        Every message that changes the plant comes through here.
        """
        if self._recorder is not None:
            self._recorder.take(message, self.now)
        self.post_message(message)

    def listen(self) -> None:
        """Begin to keep both links."""
        if self._recorder is not None:
            note_down: WorkType[None] = partial(self._recorder.write, self.clock)
            self.run_worker(note_down, name="dashboard.record", group="links")
        for feed in (self.hub, self.safety):
            work: WorkType[None] = feed.run
            self.run_worker(work, name=f"dashboard.{feed.name}", group="links")

    @on(LinkUp)
    def _take_hello(self, message: LinkUp) -> None:
        self.plant.take_hello(message.process, message.hello, self.now)

    @on(LinkDown)
    def _take_loss(self, message: LinkDown) -> None:
        known = not self.plant.links[message.process].up
        self.plant.take_loss(message.process, message.reason, self.now)
        if not known:
            self.redraw_if_free()

    @on(NewsArrived)
    def _take_news(self, message: NewsArrived) -> None:
        try:
            self._take(message)
        finally:
            message.taken.set()

    @on(Answered)
    def _take_answer(self, message: Answered) -> None:
        try:
            self.plant.take_answer(message.op, message.result, self.now)
        except WireError as error:
            self.post_message(Said(f"{message.process}: {error}", refused=True))

    @on(HistoryArrived)
    def _take_history(self, message: HistoryArrived) -> None:
        try:
            history = history_of(message.tag, message.result, message.span_ns)
        except (KeyError, TypeError, ValueError) as error:
            self.post_message(Said(f"a strange history: {error!r}", refused=True))
            return
        self.plant.take_history(history)
        self.redraw_if_free()

    @on(GapsArrived)
    def _take_gaps(self, message: GapsArrived) -> None:
        try:
            self.plant.take_missing(message.tag, message.result)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.post_message(Said(f"strange gaps: {error!r}", refused=True))

    @on(ShelfRead)
    def _take_shelf(self, message: ShelfRead) -> None:
        self.plant.shelf = message.shelf
        self.redraw()

    @on(Said)
    def _take_word(self, message: Said) -> None:
        self._notice = message
        self._notice_until_s = self.clock.now_s() + NOTICE_S
        if not message.refused:
            self.hub.poke("alarms.list")
            self.safety.poke("status")
        self.redraw()

    def _take(self, message: NewsArrived) -> None:
        match message.news:
            case BatchMessage() as batch if message.process == HUB:
                try:
                    known = self.plant.take_batch(batch, self.now)
                except WireError:
                    known = False
                if not known:
                    self._relink()
            case EventMessage() as event:
                self.plant.take_event(event)
                self.hub.poke("alarms.list")
                self.safety.poke("status")
            case Lost() as lost:
                self.plant.lost_batches += lost.batches
            case _:
                pass  # safety's tags come through the hub

    def _relink(self) -> None:
        """The hub has tags that its hello did not name: ask for the new table."""
        now_s = self.clock.now_s()
        if now_s - self._relinked_s >= RELINK_EVERY_S:
            self._relinked_s = now_s
            self.hub.greet_again()

    def _feed(
        self, name: str, what: tuple[str, ...], questions: tuple[Question, ...]
    ) -> Feed:
        return Feed(
            name,
            self.run_dir / f"{name}.sock",
            subscribe=what,
            questions=questions,
            post=self.tell,
            clock=self.clock,
            only_reads=bool(self.read_only),
            backoff=Backoff(
                FIRST_RETRY_S,
                LONGEST_RETRY_S,
                jitter=0.3,
                spread=random.SystemRandom().random,
            ),
        )
