"""A few fields to fill in before an act is asked for: why, for how long, what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

_WIDTH = 66
_INPUT_ROWS = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One line to fill in. `read` raises ValueError, whose text is shown."""

    name: str
    hint: str
    read: Callable[[str], object]
    value: str = ""


def needed(complaint: str) -> Callable[[str], object]:
    """Return what reads a text that must not be empty."""

    def read(text: str) -> str:
        if not text.strip():
            raise ValueError(complaint)
        return text.strip()

    return read


def optional(text: str) -> str:
    """Read a text that may be empty."""
    return text.strip()


class FormScreen(ModalScreen[Mapping[str, object] | None]):
    """Returns what was filled in, by the names of the fields, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(self, question: str, fields: Sequence[Field]) -> None:
        super().__init__()
        self._question = question
        self._fields = tuple(fields)

    def compose(self) -> ComposeResult:
        """Build the fields."""
        with Vertical(id="box"):
            yield Rows(id="text")
            for field in self._fields:
                box = Input(field.value, id=field.name, max_length=200)
                box.border_title = field.hint
                yield box
            yield Rows(id="problem")

    def on_mount(self) -> None:
        """Say what it is about."""
        hint = "enter: go on (it asks once more)     esc: leave it"
        text = self.query_one("#text", Rows)
        text.styles.height = 2
        question = fit(self._question, _WIDTH)
        text.show([((question, "strong"),), ((fit(hint, _WIDTH), "label"),)])
        self.query_one("#problem", Rows).styles.height = 1
        self.query_one("#box").styles.height = 5 + _INPUT_ROWS * len(self._fields)
        self.query_one(f"#{self._fields[0].name}", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field, or return what was written."""
        event.stop()
        place = [field.name for field in self._fields].index(event.input.id or "")
        if self._read(self._fields[place]) is None:
            return
        if place + 1 < len(self._fields):
            self.query_one(f"#{self._fields[place + 1].name}", Input).focus()
            return
        found: dict[str, object] = {}
        for field in self._fields:
            read = self._read(field)
            if read is None:
                return
            found[field.name] = read[0]
        self.dismiss(found)

    def action_cancel(self) -> None:
        """Leave it."""
        self.dismiss(None)

    def _read(self, field: Field) -> tuple[object] | None:
        """Return what a field says; None, and a complaint beside it, if it is wrong."""
        widget = self.query_one(f"#{field.name}", Input)
        problem = self.query_one("#problem", Rows)
        try:
            found = field.read(widget.value)
        except ValueError as error:
            problem.show([((fit(str(error), _WIDTH), "notice"),)])
            widget.focus()
            return None
        problem.show([(("", ""),)])
        return (found,)
