"""The application: which screen is seen, and what the keys do."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import SystemCommand
from textual.css.query import NoMatches

from appliance.dashboard import actions
from appliance.dashboard.acts import acts_of
from appliance.dashboard.budget import Budget
from appliance.dashboard.intake import Intake
from appliance.dashboard.messages import Said
from appliance.dashboard.palette import PALETTES, palette_for
from appliance.dashboard.past import Past
from appliance.dashboard.preferences import Preferences
from appliance.dashboard.screens.alarms import AlarmsScreen
from appliance.dashboard.screens.asset import AssetScreen
from appliance.dashboard.screens.base import PlantScreen, notice_row
from appliance.dashboard.screens.events import EventsScreen
from appliance.dashboard.screens.help import HelpScreen
from appliance.dashboard.screens.kpi import KpiScreen
from appliance.dashboard.screens.models import ModelsScreen
from appliance.dashboard.screens.overview import OverviewScreen
from appliance.dashboard.screens.system import SystemScreen
from appliance.dashboard.screens.tag import TagScreen
from appliance.dashboard.screens.trips import TripsScreen
from appliance.dashboard.terminal import metered
from appliance.dashboard.widgets.footer import shown_actions
from appliance.dashboard.widgets.pressable import Pressable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from textual.binding import BindingType
    from textual.screen import Screen

    from appliance.dashboard.record import Recorder
    from appliance.domain.ports import Clock

HISTORY_EVERY_S = 2.0
_STEPS_BACK = 16


class Dashboard(Intake):
    """A window on the sockets in a run directory. `zone` None: the machine's own.

    `state_dir` is where the models lie; None: they are not shown. Where `read_only`
    says why, nothing can be done from here: it is what the person is told then.
    """

    TITLE = "wheeltapper"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings()]
    MODES: ClassVar = {
        actions.OVERVIEW: OverviewScreen,
        actions.ASSET: AssetScreen,
        actions.ALARMS: AlarmsScreen,
        actions.TRIPS: TripsScreen,
        actions.SYSTEM: SystemScreen,
        actions.TAG: TagScreen,
        actions.MODELS: ModelsScreen,
        actions.EVENTS: EventsScreen,
        actions.KPI: KpiScreen,
    }
    DEFAULT_MODE = actions.OVERVIEW

    def __init__(
        self,
        run_dir: Path,
        *,
        clock: Clock,
        zone: tzinfo | None = None,
        state_dir: Path | None = None,
        preferences: Preferences | None = None,
        read_only: str = "",
        recorder: Recorder | None = None,
    ) -> None:
        wanted = Preferences() if preferences is None else preferences
        budget = Budget(wanted.bytes_per_s)
        driver = metered(budget) if wanted.bytes_per_s else None
        super().__init__(
            run_dir, clock=clock, driver_class=driver, recorder=recorder,
            read_only=read_only,
        )  # fmt: skip
        self.state_dir = state_dir
        self._budget = budget
        self._preferences = wanted
        self._zone = zone
        self.past = Past(self)
        self._acts = acts_of(self)
        self._came_from: deque[str] = deque(maxlen=_STEPS_BACK)
        self._history_s = 0.0

    def on_mount(self) -> None:
        """Begin to listen, and to draw."""
        wanted = self._preferences
        for palette in PALETTES.values():
            self.register_theme(palette.theme)
        shown = "truecolor" if self.is_headless else self.console.color_system
        self.theme = wanted.theme or palette_for(shown, no_color=self.no_color)
        self.set_keymap(actions.changed_keys(wanted.actions))
        self.listen()
        self.set_interval(1.0 / wanted.frames_hz, self._tick)

    # ------------------------------------------------------------ what is shown
    def _tick(self) -> None:
        now = self.now
        self.plant.pass_time(now)
        if now.s - self._history_s >= HISTORY_EVERY_S:
            self._history_s = now.s
            self.past.ask()
        self.redraw_if_free()

    def redraw_if_free(self) -> None:
        """Draw, if the line to the terminal has had its time."""
        if self._budget.may_draw(self.clock.now_s()):
            self.redraw()

    def redraw(self) -> None:
        """Draw what has changed on the screen that is seen."""
        seen = [each for each in self.screen_stack if isinstance(each, PlantScreen)]
        if not seen or not seen[-1].query("#banner"):
            return  # not built yet, or being taken down
        width, said, remark = self.size.width, self.notice, self.remark()
        notice = notice_row(remark, width, refused=False) if remark else None
        if said is not None:
            notice = notice_row(said.text, width, refused=said.refused)
        with suppress(NoMatches):  # a screen that is being taken down
            seen[-1].show(
                self.plant, self.now, zone=self._zone, notice=notice,
                table=self.offered,
            )  # fmt: skip

    @property
    def offered(self) -> tuple[actions.Action, ...]:
        """The actions to show: no acts where nothing can be done."""
        table = self._preferences.actions
        return actions.looks_of(table) if self.read_only else tuple(table)

    def remark(self) -> str:
        """Return what is always to be said, while nothing else is."""
        return ""

    @property
    def seen(self) -> PlantScreen | None:
        """The plant screen that is seen, if need be below a dialogue."""
        found = [each for each in self.screen_stack if isinstance(each, PlantScreen)]
        return found[-1] if found else None

    def on_listing_moved(self) -> None:
        """Show what belongs to the new place of the cursor at once."""
        self.redraw()
        if isinstance(self.seen, EventsScreen):
            self.past.ask()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keep an action to the screens that the table gives it."""
        return actions.allowed(action, parameters, self.current_mode)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer the same table in the command palette."""
        del screen
        for action in actions.palette_actions(self.current_mode, self.offered):
            yield SystemCommand(
                f"{action.label} ({action.shown_key})",
                action.help,
                lambda name=action.name: self.call_later(self.run_action, name),
            )

    # ------------------------------------------------------------ what keys do
    async def action_show(self, name: str) -> None:
        """Go to a screen; it shows what was meant on the one before."""
        if name != self.current_mode:
            self._came_from.append(self.current_mode)
        await self._go(name)

    async def _go(self, name: str) -> None:
        seen, now = self.seen, self.now
        asset = None if seen is None else seen.chosen_asset(self.plant, now)
        tag = None if seen is None else seen.chosen_tag(self.plant, now)
        await self.switch_mode(name)
        if isinstance(self.screen, AssetScreen) and asset is not None:
            self.screen.asset_id = asset.id
        if isinstance(self.screen, TagScreen) and tag:
            self.screen.look_at(tag)
        if isinstance(self.screen, ModelsScreen):
            self.past.read_shelf()
        self.past.ask()
        self.redraw()

    async def action_open(self) -> None:
        """Look closer at what the cursor is on."""
        seen = self.seen
        if seen is None:
            return
        if seen.opens:
            await self.action_show(seen.opens)
        else:
            self.action_turn("whole")

    async def on_listing_opened(self) -> None:
        """Do what `open` does: the mouse met the cursor."""
        if actions.allowed("open", (), self.current_mode):
            await self.action_open()

    @on(Pressable.Pressed)
    async def _press(self, message: Pressable.Pressed) -> None:
        """Do what a key would: the banner and the foot have two words for each."""
        place = message.word // 2
        if message.widget.id == "banner":
            if message.row == 0 and place < len(actions.SCREENS):
                await self.action_show(actions.SCREENS[place])
            return
        shown = shown_actions(self.current_mode, self.size.width, self.offered)
        if place < len(shown):
            await self.run_action(shown[place].name)

    async def action_back(self) -> None:
        """Go back to where we came from, at last to the overview."""
        seen = self.seen
        if isinstance(seen, AlarmsScreen) and seen.whole:
            self.action_turn("whole")
            return
        await self._go(self._came_from.pop() if self._came_from else actions.OVERVIEW)

    async def action_help(self) -> None:
        """Show all keys."""
        await self.push_screen(HelpScreen(self.offered))

    def action_turn(self, name: str) -> None:
        """Change what the screen shows."""
        seen = self.seen
        if seen is not None:
            seen.turn(name, self.plant, self.now)
            self.past.ask()
            self.redraw()

    def action_act(self, name: str) -> None:
        """Ask for something to be done, where anything may."""
        if self.read_only:
            self.post_message(Said(self.read_only, refused=True))
            return
        self._acts[name]()
