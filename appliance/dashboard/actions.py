"""Every key of the window on one page: bindings, footer, help and palette read this.

A name is what Textual calls: `show` goes to a screen, `turn` changes what the screen
shows, `act` asks for something to be done (and asks once more before it is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Sequence

OVERVIEW, ASSET, ALARMS, TRIPS, SYSTEM, TAG, MODELS, EVENTS, KPI = (
    "overview",
    "asset",
    "alarms",
    "trips",
    "system",
    "tag",
    "models",
    "events",
    "kpi",
)
SCREENS = (OVERVIEW, ASSET, ALARMS, TRIPS, SYSTEM, TAG, MODELS, EVENTS, KPI)
SHORT = ("over", "asset", "alarm", "trip", "sys", "tag", "mod", "log", "kpi")
"""Their names where the terminal is narrow."""


@dataclass(frozen=True, slots=True)
class Action:
    """A key (or several), what it does, and on which screens (none named: on all).

    `always` works in every dialogue as well. `footer` False keeps it to the help.
    `lasting` keeps its place in the narrowest footer.
    """

    keys: str
    name: str
    label: str
    help: str
    screens: tuple[str, ...] = ()
    footer: bool = True
    always: bool = False
    lasting: bool = False

    @property
    def id(self) -> str:
        """Its name where keys are changed: `acknowledge`, `overview`, `closer`."""
        inner = self.name.partition("('")[2].removesuffix("')")
        name = inner or self.name.removeprefix("app.")
        return f"{name}_anywhere" if self.always else name

    @property
    def shown_key(self) -> str:
        """The first key as people read it."""
        first = self.keys.split(",", maxsplit=1)[0]
        return _SHOWN.get(first, first)

    @property
    def shown_keys(self) -> str:
        """All keys as people read them."""
        return ", ".join(_SHOWN.get(key, key) for key in self.keys.split(","))

    def on(self, screen: str) -> bool:
        """Whether it works on a screen."""
        return not self.screens or screen in self.screens


_SHOWN = {
    "question_mark": "?",
    "escape": "esc",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "left": "←",
    "right": "→",
}


def _go_to(key: str, screen: str, text: str) -> Action:
    """Return the key of a screen; the banner shows these, not the footer."""
    return Action(key, f"show('{screen}')", screen, text, footer=False)


def _act(key: str, name: str, label: str, text: str, *screens: str) -> Action:
    return Action(key, f"act('{name}')", label, text, screens)


def _turn(key: str, name: str, label: str, text: str, *screens: str) -> Action:
    return Action(key, f"turn('{name}')", label, text, screens)


ACTIONS = (
    _act("a", "acknowledge", "ack", "say that you have seen the alarm; asks first",
         OVERVIEW, ASSET, ALARMS),
    _act("z", "shelve", "shelve", "put the alarm aside for a while, or bring it back",
         ALARMS),
    _act("v", "verdict", "verdict", "was it a true alarm? the answer labels the data",
         ALARMS),
    _turn("f", "filter", "filter", "which of them are listed", ALARMS, EVENTS),
    _turn("g", "group", "group", "by root cause, one by one, or as a flood asks for",
          ALARMS),
    _act("o", "service", "service", "take the alarm out of service, or back into it",
         ALARMS),
    _act("r", "reset", "reset", "clear the trip; asks first", TRIPS),
    _act("m", "mode", "mode", "arm safety, or let it only observe; asks first", TRIPS),
    _act("b", "bypass", "bypass", "put the initiator out of action for a while", TRIPS),
    _act("u", "unbypass", "unbypass", "end the initiator's bypass; asks first", TRIPS),
    _act("h", "handover", "hand over",
         "let the PLC guard alone while we restart, or take it back", TRIPS),
    _turn("e", "envelope", "spectrum", "envelope or plain spectrum", ASSET),
    _turn("w", "window", "window", "how much past the trend shows", ASSET),
    _turn("n", "next", "next", "the next asset, or the asset's next tag", ASSET, TAG),
    _act("d", "maintained", "maintained", "say that the machine was maintained", ASSET),
    _turn("plus,equals_sign", "closer", "closer", "show less time, closer", TAG),
    _turn("minus", "wider", "wider", "show more time", TAG),
    _turn("left", "earlier", "earlier", "go back in time", TAG),
    _turn("right", "later", "later", "go on in time", TAG),
    _turn("0", "newest", "now", "go on with what is measured now", TAG),
    _turn("x", "oldest", "oldest", "go back to the oldest that is kept", TAG),
    _act("c", "activate", "activate", "bring the version into force; asks first",
         MODELS),
    _act("p", "roll_back", "roll back", "back to the previous version; asks first",
         MODELS),
    Action("enter", "open", "open", "look closer at what the cursor is on",
           (OVERVIEW, ASSET, ALARMS, TRIPS, EVENTS, KPI)),
    _go_to("1", OVERVIEW, "what is wrong, assets, values"),
    _go_to("2", ASSET, "health, trend, spectrum of one asset"),
    _go_to("3", ALARMS, "all alarms and what to do"),
    _go_to("4", TRIPS, "safety: matrix, first-out, reset, mode"),
    _go_to("5", SYSTEM, "processes, sources, buffer, uplink, machine"),
    _go_to("t,6", TAG, "history of the tag that the cursor, or the alarm, is about"),
    _go_to("7", MODELS, "models: which judge, versions, what was done"),
    _go_to("8", EVENTS, "everything that happened, and who did it"),
    _go_to("9", KPI, "how good the alarms are: rates, floods, the most frequent"),
    Action("S", "act('stop')", "STOP",
           "ask the PLC for a stop; asks first, needs no role", lasting=True),
    Action("question_mark,f1", "help", "help", "this page", lasting=True),
    Action("q", "quit", "quit", "leave; nothing else stops", lasting=True),
    Action(
        "ctrl+q,ctrl+c", "quit", "quit", "leave, from anywhere", footer=False,
        always=True,
    ),
    Action("escape", "back", "back", "back to where you came from", footer=False),
    Action("tab", "app.focus_next", "next list", "to the other list", footer=False),
)  # fmt: skip
MOVES = "up/down page-up/page-down home/end: move in a list (or j, k, or the mouse)"


def bindings() -> list[Binding]:
    """Return the application's bindings; a keymap knows them by `Action.id`."""
    return [
        Binding(
            action.keys, action.name, action.help, show=False, priority=action.always,
            id=action.id,
        )
        for action in ACTIONS
    ]  # fmt: skip


def changed_keys(table: Sequence[Action]) -> dict[str, str]:
    """Return the keys that differ from the usual ones, by `Action.id`."""
    usual = {action.id: action.keys for action in ACTIONS}
    return {each.id: each.keys for each in table if each.keys != usual[each.id]}


def looks_of(table: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions that only look around, or leave."""
    return tuple(each for each in table if not each.name.startswith("act("))


def footer_actions(
    screen: str, table: Sequence[Action] = ACTIONS
) -> tuple[Action, ...]:
    """Return what the footer of a screen shows, its own actions first."""
    own = tuple(a for a in table if a.footer and a.screens and a.on(screen))
    common = tuple(a for a in table if a.footer and not a.screens)
    return own + common


def palette_actions(
    screen: str, table: Sequence[Action] = ACTIONS
) -> tuple[Action, ...]:
    """Return what the command palette offers on a screen."""
    offered = ("act(", "turn(", "show(", "open", "help", "quit")
    return tuple(
        each
        for each in table
        if each.on(screen) and each.name.startswith(offered) and not each.always
    )


def allowed(action: str, parameters: tuple[object, ...], screen: str) -> bool:
    """Whether an action may be done on a screen."""
    wanted = f"{action}({', '.join(map(repr, parameters))})" if parameters else action
    known = [each for each in ACTIONS if each.name == wanted]
    return any(each.on(screen) for each in known) if known else True
