"""How a person's act goes: a form if need be, one more question, then it is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.dashboard.feed import ACT_WITHIN_S, Feed
from appliance.dashboard.messages import Said
from appliance.dashboard.screens.confirm import ConfirmScreen
from appliance.dashboard.screens.form import Field, FormScreen
from appliance.link.client import LinkLostError, LinkRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from textual.worker import WorkType

    from appliance.dashboard.app import Dashboard

    Send = Callable[[], Awaitable[str]]


class Asking:
    """Asks, sends, and says what became of it. All acts go through here."""

    def __init__(self, app: Dashboard) -> None:
        self._app = app

    def refuse(self, text: str) -> None:
        """Say why it is not done."""
        self._app.tell(Said(text, refused=True))

    def fill_in(
        self,
        question: str,
        fields: Sequence[Field],
        go_on: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Let a person fill in a form, and go on with what it says."""

        def filled(answer: Mapping[str, object] | None) -> None:
            if answer is not None:
                go_on(answer)

        self._app.push_screen(FormScreen(question, fields), filled)

    def ask(
        self,
        question: str,
        lines: Sequence[str],
        *,
        feed: Feed,
        op: str,
        said: str,
        grave: bool = True,
        **args: object,
    ) -> None:
        """Ask once more, then ask the owner of the matter to do it."""
        send = partial(self._request, feed, op, said, args)
        self.ask_to(question, lines, send=send, name=op, grave=grave)

    def ask_to(
        self,
        question: str,
        lines: Sequence[str],
        *,
        send: Send,
        name: str,
        grave: bool = True,
    ) -> None:
        """Ask once more, then `send`, and say what it returns.

        `send` raises LinkRefusedError or LinkLostError where it is not done, or where
        nobody knows.
        """

        def decided(yes: bool | None) -> None:  # noqa: FBT001 - Textual's callback
            if yes:
                work: WorkType[None] = partial(self._do, send)
                self._app.run_worker(work, name=f"dashboard.act.{name}", group="acts")

        dialogue = ConfirmScreen(question, lines, clock=self._app.clock, grave=grave)
        self._app.push_screen(dialogue, decided)

    async def _do(self, send: Send) -> None:
        try:
            said = await send()
        except LinkRefusedError as error:
            self.refuse(f"refused: {error}")
        except LinkLostError as error:
            self.refuse(f"not known whether it was done: {error}")
        else:
            self._app.tell(Said(said))

    async def _request(
        self, feed: Feed, op: str, said: str, args: Mapping[str, object]
    ) -> str:
        """Send it; "done" is said only when its owner has answered: after the disk."""
        answer = await feed.request(op, within_s=ACT_WITHIN_S, **args)
        note = ""
        if isinstance(answer, dict):
            uncommitted = answer.get("committed") is False
            note = "; NOT on disk yet" if uncommitted else ""
            note += f"; {answer['note']}" if answer.get("note") else ""
        return said + note
