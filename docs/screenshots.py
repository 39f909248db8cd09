"""Make the README's pictures from a real demonstration: `python -m docs.screenshots`.

Starts `wheeltapper demo bearing-wear`, opens the dashboard on it without a terminal,
and saves what each screen shows: while all is well, in alarm, and after the trip, in
two sizes.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.dashboard.app import Dashboard
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

IMAGES = Path(__file__).parent / "images"
SIZES = ((80, 24), (120, 40))
VIBRATION = "P-101/DE/vibration_rms"
WITHIN_S = 150.0
LOOK_EVERY_S = 0.5

_BLANK = "&#160;"
_CELL = 12.2
"""Width of a character in the pictures that Rich draws."""
_TEXT = re.compile(
    r'(?P<head><text class="[^"]*-r\d+" x=")(?P<x>[\d.]+)(?P<middle>" y="[\d.]+"'
    r' textLength=")(?P<length>[\d.]+)(?P<rest>"[^>]*>)(?P<content>[^<]*)</text>'
)


def main() -> int:
    """Make the pictures; return 1 if the plant never came to it."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheeltapper-pictures-") as folder:
        try:
            asyncio.run(_make(Path(folder)))
        except TimeoutError:
            sys.stderr.write("the demonstration did not get that far\n")
            return 1
    return 0


async def _make(root: Path) -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance", "demo", "bearing-wear",
        "--headless", "--for", "120s", "--keep", str(root),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN_S):
            await _watch(root / "run")
    finally:
        with contextlib.suppress(ProcessLookupError):
            demo.terminate()
        await demo.wait()


async def _watch(run_dir: Path) -> None:
    state_dir = run_dir.parent / "state"
    app = Dashboard(run_dir, clock=SystemClock(), state_dir=state_dir)
    async with app.run_test(size=SIZES[0]) as pilot:
        await _until(lambda: _is_healthy(app))
        await _take(app, pilot, "overview")
        await _until(lambda: _is_in_alarm(app))
        await _take(app, pilot, "alarm")
        await pilot.press("3")
        await _take(app, pilot, "alarms")
        await pilot.press("2")
        await _until(lambda: bool(app.plant.histories))
        await _take(app, pilot, "asset")
        await _until(lambda: app.plant.guard.tripped)
        await pilot.press("4")
        await _take(app, pilot, "trips")
        await pilot.press("t")
        await _until(lambda: VIBRATION in app.plant.histories)
        await _take(app, pilot, "tag")
        for key, name in (("5", "system"), ("7", "models"), ("8", "events")):
            await pilot.press(key)
            await _until(lambda: bool(app.plant.machine))
            await _take(app, pilot, name)


def _is_healthy(app: Dashboard) -> bool:
    """Say whether a model has found the machine normal for a while."""
    for asset in app.plant.assets(app.now):
        if asset.judged and asset.index is not None:
            known = [value for value in asset.index.trail if value == value]  # noqa: PLR0124 - NaN
            return asset.health is not None and len(known) > 1 and not app.plant.alarms
    return False


def _is_in_alarm(app: Dashboard) -> bool:
    worst = next(iter(app.plant.alarms), None)
    return worst is not None and worst.rule == "high" and worst.active


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await SystemClock().sleep(LOOK_EVERY_S)


async def _take(app: Dashboard, pilot: Pilot[None], name: str) -> None:
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        app.redraw()
        await pilot.pause()
        path = IMAGES / f"{name}-{width}x{height}.svg"
        picture = self_contained(app.export_screenshot(title="wheeltapper"))
        path.write_text(picture, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


def self_contained(svg: str) -> str:
    """Return the picture without web fonts, and without blanks around its words.

    Some viewers drop blanks at the edges of a text, and would move what follows.
    """
    without = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    plain = without.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return _TEXT.sub(_without_blanks, plain)


def _without_blanks(match: re.Match[str]) -> str:
    content = match["content"]
    before = 0
    while content.startswith(_BLANK):
        content, before = content.removeprefix(_BLANK), before + 1
    after = 0
    while content.endswith(_BLANK):
        content, after = content.removesuffix(_BLANK), after + 1
    if not content:
        return ""
    x = float(match["x"]) + before * _CELL
    length = float(match["length"]) - (before + after) * _CELL
    place = f"{match['head']}{x:.1f}{match['middle']}{length:.1f}{match['rest']}"
    return f"{place}{content}</text>"


if __name__ == "__main__":
    raise SystemExit(main())
