"""The second step of an act: another key than the first, not at once, not too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen

from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import fit, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.events import Key

    from appliance.dashboard.views.words import Row
    from appliance.domain.ports import Clock

NOT_BEFORE_S = 0.3
"""A key that comes sooner was meant for something else."""
WITHIN_S = 30.0
_WIDTH = 70


class ConfirmScreen(ModalScreen[bool]):
    """Returns True only for `y`, pressed within `NOT_BEFORE_S` … `WITHIN_S`.

    No act is begun with `y`, so a key that repeats cannot confirm what it began. All
    keys but `y`, `n` and escape are ignored.
    """

    def __init__(
        self, question: str, lines: Sequence[str], *, clock: Clock, grave: bool = True
    ) -> None:
        super().__init__()
        self._question = question
        self._lines = lines
        self._grave = grave
        self._clock = clock
        self._opened_s = clock.now_s()

    def compose(self) -> ComposeResult:
        """Build the box."""
        with Vertical(id="box"):
            yield Rows(id="text")

    def on_mount(self) -> None:
        """Show the question, and give it up when its time is over."""
        rows = self._rows(min(_WIDTH, self.app.size.width - 6))
        text = self.query_one("#text", Rows)
        text.styles.height = len(rows)
        self.query_one("#box").styles.height = len(rows) + 2
        text.show(rows)
        self.set_timer(WITHIN_S, self._give_up)

    def on_key(self, event: Key) -> None:
        """Take `y` for yes and `n` or escape for no."""
        event.stop()
        event.prevent_default()
        elapsed_s = self._clock.now_s() - self._opened_s
        if event.key == "y" and NOT_BEFORE_S <= elapsed_s <= WITHIN_S:
            self.dismiss(result=True)
        elif event.key in {"n", "escape"}:
            self.dismiss(result=False)

    def _give_up(self) -> None:
        self.dismiss(result=False)

    def _rows(self, width: int) -> list[Row]:
        rows: list[Row] = []
        style = "high" if self._grave else "strong"
        rows.extend(
            ((fit(line, width), style),) for line in wrapped(self._question, width)
        )
        rows.append((("", ""),))
        for text in self._lines:
            rows.extend(((fit(line, width), ""),) for line in wrapped(text, width))
        rows.append((("", ""),))
        keys = f"y: yes, do it     n: no     (within {WITHIN_S:.0f} s)"
        rows.append(((fit(keys, width), "strong"),))
        return rows
