"""The walk of the tutorial, key by key: what it says is on the screen is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dashboard_gateway import Gateway
    from tests.support.dashboard_window import Window

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "first-alarm.md"
_ROW = re.compile(r"^\| (?P<done>.+?) \| (?P<read>.+) \|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


class Step(NamedTuple):
    """What happens, which keys are pressed, what is typed, what is read then."""

    happens: str
    keys: tuple[str, ...]
    typed: str
    words: tuple[str, ...]


def steps() -> list[Step]:
    """Return the rows of the tutorial's table."""
    section = PAGE.read_text(encoding="utf-8").partition("## 8.")[2]
    found = []
    for row in _ROW.finditer(section):
        done, words = row["done"], tuple(_CODE.findall(row["read"]))
        if not words:
            continue  # the head
        codes = tuple(_CODE.findall(done))
        happens = done.strip("*") if done.startswith("*") else ""
        typed = codes[0] if done.startswith("type ") else ""
        found.append(Step(happens, () if typed else codes, typed, words))
    return found


async def test_the_walk_of_the_tutorial_is_what_the_screen_shows(
    plant: Gateway, window: Window
) -> None:
    happenings: dict[str, Callable[[], None]] = {
        "": lambda: None,
        "all is well": lambda: None,
        "the vibration rises": plant.fall_ill,
        "two transmitters agree on more than 7.1 mm/s": plant.trip,
    }
    walk = steps()
    assert len(walk) > 15
    for step in walk:
        happenings[step.happens]()
        for key in step.keys:
            if key == "y":
                await window.confirm()
            else:
                await window.press(key)
                window.app.redraw()
        if step.typed:
            await window.press(*step.typed)
        await window.until_text(*step.words)
    assert [op for op, _ in plant.acted] == [
        "alarms.acknowledge", "noted", "reset", "noted",
    ]  # fmt: skip
