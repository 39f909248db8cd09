"""Why and for how long an initiator is put out of action."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import fit
from appliance.runtime.durations import DurationError, seconds

if TYPE_CHECKING:
    from textual.app import ComposeResult

_WIDTH = 66


class BypassScreen(ModalScreen["tuple[str, float] | None"]):
    """Returns reason and length in seconds, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(self, initiator: str) -> None:
        super().__init__()
        self._initiator = initiator

    def compose(self) -> ComposeResult:
        """Build the two fields."""
        with Vertical(id="box"):
            yield Rows(id="text")
            yield Input(placeholder="reason (required)", id="reason", max_length=200)
            yield Input("1h", placeholder="for how long: 15m, 1h, 8h", id="length")
            yield Rows(id="problem")

    def on_mount(self) -> None:
        """Say what it is about."""
        question = f"Bypass {self._initiator}: why, and for how long?"
        hint = "enter: go on (it asks once more)     esc: leave it"
        text = self.query_one("#text", Rows)
        text.styles.height = 2
        text.show([((fit(question, _WIDTH), "high"),), ((fit(hint, _WIDTH), "label"),)])
        self.query_one("#problem", Rows).styles.height = 1
        self.query_one("#box").styles.height = 11
        self.query_one("#reason", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field, or return what was written."""
        event.stop()
        reason = self.query_one("#reason", Input).value.strip()
        length = self.query_one("#length", Input)
        if event.input.id == "reason" and reason:
            length.focus()
            return
        try:
            length_s = seconds(length.value)
        except DurationError as error:
            self._complain(str(error))
            return
        if reason:
            self.dismiss((reason, length_s))
        else:
            self._complain("a bypass needs a reason")
            self.query_one("#reason", Input).focus()

    def action_cancel(self) -> None:
        """Leave it."""
        self.dismiss(None)

    def _complain(self, text: str) -> None:
        self.query_one("#problem", Rows).show([((fit(text, _WIDTH), "notice"),)])
