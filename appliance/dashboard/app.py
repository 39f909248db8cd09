"""The application: feeds post messages, and only the `@on` methods change the state."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.css.query import NoMatches

from appliance.dashboard import actions
from appliance.dashboard.acts import Acts
from appliance.dashboard.feed import HUB_QUESTIONS, SAFETY_QUESTIONS, Feed, Question
from appliance.dashboard.messages import (
    Answered,
    HistoryArrived,
    LinkDown,
    LinkUp,
    NewsArrived,
    Said,
)
from appliance.dashboard.model import HUB, SAFETY, Now, Plant, history_of
from appliance.dashboard.palette import GREY
from appliance.dashboard.screens.alarms import AlarmsScreen
from appliance.dashboard.screens.asset import AssetScreen
from appliance.dashboard.screens.base import PlantScreen, notice_row
from appliance.dashboard.screens.help import HelpScreen
from appliance.dashboard.screens.overview import OverviewScreen
from appliance.dashboard.screens.system import SystemScreen
from appliance.dashboard.screens.trips import TripsScreen
from appliance.domain.health import HEALTH_INDEX
from appliance.link.client import LinkLostError, LinkRefusedError
from appliance.runtime.backoff import Backoff
from appliance.wire.messages import BatchMessage, EventMessage, Lost, WireError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo
    from pathlib import Path

    from textual.binding import BindingType
    from textual.screen import Screen
    from textual.worker import WorkType

    from appliance.domain.ports import Clock

REDRAW_S = 0.25
NOTICE_S = 10.0
HISTORY_EVERY_S = 2.0
RELINK_EVERY_S = 5.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.3, 3.0


class Dashboard(App[None]):
    """A window on the sockets in a run directory. `zone` None: the machine's own."""

    TITLE = "wheeltapper"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings()]
    MODES: ClassVar = {
        actions.OVERVIEW: OverviewScreen,
        actions.ASSET: AssetScreen,
        actions.ALARMS: AlarmsScreen,
        actions.TRIPS: TripsScreen,
        actions.SYSTEM: SystemScreen,
    }
    DEFAULT_MODE = actions.OVERVIEW

    def __init__(
        self, run_dir: Path, *, clock: Clock, zone: tzinfo | None = None
    ) -> None:
        super().__init__()
        self.clock = clock
        self.plant = Plant()
        self._zone = zone
        self.hub = self._feed(HUB, run_dir, ("newest", "events"), HUB_QUESTIONS)
        self.safety = self._feed(SAFETY, run_dir, ("events",), SAFETY_QUESTIONS)
        self.acts = Acts(self)
        self._notice = Said("")
        self._notice_until_s = 0.0
        self._history_s = 0.0
        self._relinked_s = float("-inf")

    @property
    def now(self) -> Now:
        """This moment."""
        return Now(self.clock.now_s(), self.clock.utc_ns())

    def on_mount(self) -> None:
        """Begin to listen, and to draw."""
        self.register_theme(GREY)
        self.theme = GREY.name
        for feed in (self.hub, self.safety):
            work: WorkType[None] = feed.run
            self.run_worker(work, name=f"dashboard.{feed.name}", group="links")
        self.set_interval(REDRAW_S, self._tick)

    # ------------------------------------------------------------ what arrives
    @on(LinkUp)
    def _take_hello(self, message: LinkUp) -> None:
        self.plant.take_hello(message.process, message.hello, self.now)

    @on(LinkDown)
    def _take_loss(self, message: LinkDown) -> None:
        self.plant.take_loss(message.process, message.reason, self.now)
        self.redraw()

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

    # ------------------------------------------------------------ what is shown
    def _tick(self) -> None:
        now = self.now
        self.plant.pass_time(now)
        if now.s - self._history_s >= HISTORY_EVERY_S:
            self._history_s = now.s
            self._ask_history()
        self.redraw()

    def redraw(self) -> None:
        """Draw what has changed on the screen that is seen."""
        seen = [each for each in self.screen_stack if isinstance(each, PlantScreen)]
        if not seen or not seen[-1].query("#banner"):
            return  # not built yet, or being taken down
        now, notice = self.now, None
        if self._notice.text and now.s < self._notice_until_s:
            notice = notice_row(
                self._notice.text, self.size.width, refused=self._notice.refused
            )
        with suppress(NoMatches):  # a screen that is being taken down
            seen[-1].show(self.plant, now, zone=self._zone, notice=notice)

    @property
    def seen(self) -> PlantScreen | None:
        """The plant screen that is seen, if need be below a dialogue."""
        found = [each for each in self.screen_stack if isinstance(each, PlantScreen)]
        return found[-1] if found else None

    def on_listing_moved(self) -> None:
        """Show what belongs to the new place of the cursor at once."""
        self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keep an action to the screens that the table gives it."""
        return actions.allowed(action, parameters, self.current_mode)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer the same table in the command palette."""
        del screen
        for action in actions.ACTIONS:
            if action.footer and action.on(self.current_mode):
                yield SystemCommand(
                    f"{action.label} ({action.shown_key})",
                    action.help,
                    lambda name=action.name: self.call_later(self.run_action, name),
                )

    # ------------------------------------------------------------ what keys do
    async def action_show(self, name: str) -> None:
        """Go to a screen."""
        seen = self.seen
        asset = None if seen is None else seen.chosen_asset(self.plant, self.now)
        await self.switch_mode(name)
        if isinstance(self.screen, AssetScreen) and asset is not None:
            self.screen.asset_id = asset.id
        self._ask_history()
        self.redraw()

    async def action_open(self) -> None:
        """Look closer at what the cursor is on."""
        await self.action_show(actions.ASSET)

    async def action_back(self) -> None:
        """Go back to the overview."""
        await self.action_show(actions.OVERVIEW)

    async def action_help(self) -> None:
        """Show all keys."""
        await self.push_screen(HelpScreen())

    def action_envelope(self) -> None:
        """Show the other spectrum."""
        if isinstance(self.screen, AssetScreen):
            self.screen.envelope = not self.screen.envelope
            self.redraw()

    def action_window(self) -> None:
        """Show more of the past."""
        if isinstance(self.screen, AssetScreen):
            self.screen.next_window()
            self._ask_history()
            self.redraw()

    def action_next_asset(self) -> None:
        """Show the next asset."""
        if isinstance(self.screen, AssetScreen):
            asset = self.screen.chosen_asset(self.plant, self.now)
            names = sorted(each.id for each in self.plant.assets(self.now))
            if asset is not None:
                after = (names.index(asset.id) + 1) % len(names)
                self.screen.asset_id = names[after]
            self._ask_history()
            self.redraw()

    def action_acknowledge(self) -> None:
        """Say that the alarm was seen."""
        self.acts.acknowledge()

    def action_reset(self) -> None:
        """Clear the trip."""
        self.acts.reset()

    def action_mode(self) -> None:
        """Arm, or stand down."""
        self.acts.change_mode()

    def action_bypass(self) -> None:
        """Put an initiator out of action."""
        self.acts.bypass()

    def action_unbypass(self) -> None:
        """Bring an initiator back."""
        self.acts.unbypass()

    def action_stop(self) -> None:
        """Ask for a stop."""
        self.acts.stop()

    # ------------------------------------------------------------ what is asked
    def _ask_history(self) -> None:
        screen = self.seen
        if not isinstance(screen, AssetScreen) or not self.plant.links[HUB].up:
            return
        asset = screen.chosen_asset(self.plant, self.now)
        if asset is None or not asset.judged:
            return
        tag, to_ns = f"{asset.id}/{HEALTH_INDEX}", self.clock.utc_ns()
        from_ns = to_ns - round(screen.window_s * 1e9)
        work: WorkType[None] = partial(self._fetch_history, tag, (from_ns, to_ns))
        self.run_worker(work, name="dashboard.history", group="history", exclusive=True)

    async def _fetch_history(self, tag: str, span_ns: tuple[int, int]) -> None:
        points = max(50, self.size.width)
        try:
            result = await self.hub.request(
                "history", tag=tag, from_ns=span_ns[0], to_ns=span_ns[1], points=points
            )
        except (LinkLostError, LinkRefusedError):
            return  # the banner says so
        self.post_message(HistoryArrived(tag, result, span_ns))

    def _feed(
        self,
        name: str,
        run_dir: Path,
        subscribe: tuple[str, ...],
        questions: tuple[Question, ...],
    ) -> Feed:
        backoff = Backoff(
            FIRST_RETRY_S, LONGEST_RETRY_S, jitter=0.3,
            spread=random.SystemRandom().random,
        )  # fmt: skip
        return Feed(
            name,
            run_dir / f"{name}.sock",
            subscribe=subscribe,
            questions=questions,
            post=self.post_message,
            clock=self.clock,
            backoff=backoff,
        )
