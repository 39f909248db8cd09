"""Every key of the window on one page: bindings, footer, help and palette read this."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

OVERVIEW, ASSET, ALARMS, TRIPS, SYSTEM = (
    "overview",
    "asset",
    "alarms",
    "trips",
    "system",
)
SCREENS = (OVERVIEW, ASSET, ALARMS, TRIPS, SYSTEM)


@dataclass(frozen=True, slots=True)
class Action:
    """A key (or several), what it does, and on which screens (none named: on all).

    `always` works in every dialogue as well. `footer` False keeps it to the help.
    """

    keys: str
    name: str
    label: str
    help: str
    screens: tuple[str, ...] = ()
    footer: bool = True
    always: bool = False

    @property
    def shown_key(self) -> str:
        """The first key as people read it."""
        first = self.keys.split(",", maxsplit=1)[0]
        return {"question_mark": "?", "escape": "esc", "S": "S"}.get(first, first)

    def on(self, screen: str) -> bool:
        """Whether it works on a screen."""
        return not self.screens or screen in self.screens


def _go_to(key: str, screen: str, text: str) -> Action:
    """Return the key of a screen; the banner shows these, not the footer."""
    return Action(key, f"show('{screen}')", screen, text, footer=False)


ACTIONS = (
    Action("enter", "open", "open", "open what the cursor is on", (OVERVIEW, ALARMS)),
    Action(
        "a", "acknowledge", "ack", "say that you have seen the alarm; asks first",
        (OVERVIEW, ASSET, ALARMS),
    ),
    Action("r", "reset", "reset", "clear the trip; asks first", (TRIPS,)),
    Action(
        "m", "mode", "mode", "arm safety, or let it only observe; asks first", (TRIPS,)
    ),
    Action(
        "b", "bypass", "bypass", "put the initiator out of action for a while", (TRIPS,)
    ),
    Action(
        "u", "unbypass", "unbypass", "end the initiator's bypass; asks first", (TRIPS,)
    ),
    Action("e", "envelope", "spectrum", "envelope or plain spectrum", (ASSET,)),
    Action("w", "window", "window", "how much past the trend shows", (ASSET,)),
    Action("n", "next_asset", "next", "the next asset", (ASSET,)),
    _go_to("1", OVERVIEW, "what is wrong, assets, values"),
    _go_to("2", ASSET, "health, trend, spectrum of one asset"),
    _go_to("3", ALARMS, "all alarms and what to do"),
    _go_to("4", TRIPS, "safety: matrix, first-out, reset, mode"),
    _go_to("5", SYSTEM, "processes, buffer, uplink, events"),
    Action("S", "stop", "STOP", "ask the PLC for a stop; asks first, needs no role"),
    Action("question_mark,f1", "help", "help", "this page"),
    Action("q", "quit", "quit", "leave; nothing else stops"),
    Action(
        "ctrl+q,ctrl+c", "quit", "quit", "leave, from anywhere", footer=False,
        always=True,
    ),
    Action("escape", "back", "back", "back to the overview", footer=False),
    Action("tab", "app.focus_next", "next list", "to the other list", footer=False),
)  # fmt: skip
MOVES = "up/down page-up/page-down home/end: move in a list (or j, k, or the mouse)"


def bindings() -> list[Binding]:
    """Return the application's bindings."""
    return [
        Binding(
            action.keys, action.name, action.help, show=False, priority=action.always
        )
        for action in ACTIONS
        if action.keys != "tab"
    ]


def footer_actions(screen: str) -> tuple[Action, ...]:
    """Return what the footer of a screen shows, its own actions first."""
    own = tuple(a for a in ACTIONS if a.footer and a.screens and a.on(screen))
    common = tuple(a for a in ACTIONS if a.footer and not a.screens)
    return own + common


def allowed(action: str, parameters: tuple[object, ...], screen: str) -> bool:
    """Whether an action may be done on a screen."""
    wanted = f"{action}({', '.join(map(repr, parameters))})" if parameters else action
    known = [each for each in ACTIONS if each.name == wanted]
    return any(each.on(screen) for each in known) if known else True
