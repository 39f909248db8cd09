"""How a person wants the window: its colours, keys, and what it may cost the line.

A TOML file, all of it optional:

    theme = "paper"          # wheeltapper, paper, sixteen or mono; else by the terminal
    frames_hz = 1.0          # how often it is drawn anew: 4 by default
    bytes_per_s = 2400       # what it may send to the terminal; 0: as much as it needs
    mouse = false            # leave the mouse to the terminal

    [keys]                   # an action's name: its keys, with commas between them
    acknowledge = "f2"
    stop = "S,f12"
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from appliance.dashboard.actions import ACTIONS, Action
from appliance.dashboard.keymap import KeymapError, with_keys
from appliance.dashboard.palette import PALETTES

if TYPE_CHECKING:
    from collections.abc import Mapping

FRAMES_HZ = 4.0
_SIZE_MAX_BYTES = 65_536
"""What follows is not looked at."""
_Rate = Annotated[float, msgspec.Meta(ge=0.1, le=20.0)]
_Bytes = Annotated[int, msgspec.Meta(ge=0)]


class PreferencesError(ValueError):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person wants. `theme` empty: what suits the terminal."""

    theme: str = ""
    frames_hz: float = FRAMES_HZ
    bytes_per_s: int = 0
    mouse: bool = True
    actions: tuple[Action, ...] = ACTIONS


class _File(msgspec.Struct, forbid_unknown_fields=True):
    theme: str = ""
    frames_hz: _Rate = FRAMES_HZ
    bytes_per_s: _Bytes = 0
    mouse: bool = True
    keys: dict[str, str] = {}


def preferences_of(text: str) -> Preferences:
    """Return what the text of a file asks for.

    Raises:
        PreferencesError: It is not TOML, or something in it cannot be.
    """
    try:
        told = msgspec.convert(tomllib.loads(text), _File)
        table = with_keys(told.keys)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, KeymapError) as error:
        raise PreferencesError(str(error)) from error
    if told.theme and told.theme not in PALETTES:
        known = ", ".join(PALETTES)
        raise PreferencesError(f"theme: {told.theme!r} is none of {known}")
    return Preferences(told.theme, told.frames_hz, told.bytes_per_s, told.mouse, table)


def read_preferences(path: Path) -> Preferences:
    """Return what a file asks for.

    Raises:
        PreferencesError: It cannot be read, or used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_MAX_BYTES)
        return preferences_of(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError, PreferencesError) as error:
        raise PreferencesError(f"{path}: {error}") from error


def usual_place(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a person's own file is looked for."""
    home = environment.get("HOME", "/nonexistent")
    folder = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return Path(folder) / "wheeltapper" / "dashboard.toml"
