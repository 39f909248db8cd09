"""What a person may do here: each act is asked for once more, then sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from appliance.dashboard.advice import headline
from appliance.dashboard.feed import ACT_WITHIN_S, Feed
from appliance.dashboard.messages import Said
from appliance.dashboard.model import SAFETY
from appliance.dashboard.screens.bypass import BypassScreen
from appliance.dashboard.screens.confirm import ConfirmScreen
from appliance.dashboard.wording import span
from appliance.link.client import LinkLostError, LinkRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.worker import WorkType

    from appliance.dashboard.app import Dashboard
    from appliance.dashboard.guard import Initiator

_NO_RESTART = "A reset never restarts the machine: it is started at its own panel."
_STAND_DOWN = (
    "Observe: nothing is written any more, and neither is the heartbeat; the PLC's"
    " watchdog stops a running machine."
)
_STOP = (
    "It asks the PLC for a stop now, and trips until somebody resets it. This is not an"
    " emergency stop: for that, use the hard-wired one."
)


class Acts:
    """Asks, sends, and says what became of it."""

    def __init__(self, app: Dashboard) -> None:
        self._app = app

    def acknowledge(self) -> None:
        """Acknowledge the alarm of the screen; a latched one that was seen is reset."""
        app = self._app
        seen = app.seen
        alarm = None if seen is None else seen.chosen_alarm(app.plant, app.now)
        if alarm is None:
            self._refuse("there is no alarm to acknowledge")
        elif alarm.state == "latched_ack":
            self._ask(
                f"Reset the latch of {alarm.id}?", [headline(alarm)], grave=False,
                feed=app.hub, op="alarms.reset", said=f"reset {alarm.id}",
                id=alarm.id,
            )  # fmt: skip
        elif not alarm.needs_acknowledgement:
            self._refuse(f"{alarm.id} is acknowledged already")
        else:
            do = alarm.action or "no action is configured"
            self._ask(
                f"Acknowledge {alarm.id}?",
                [headline(alarm), f"What to do: {do}"],
                grave=False,
                feed=app.hub, op="alarms.ack", said=f"acknowledged {alarm.id}",
                id=alarm.id,
            )  # fmt: skip

    def reset(self) -> None:
        """Clear the trip."""
        plant = self._app.plant
        guard = plant.guard
        if self._blind():
            return
        if not guard.tripped:
            self._refuse("nothing is tripped")
            return
        first_out, _ = plant.machine_stopped_by
        initiator = guard.initiator(first_out)
        lines = [f"First-out: {first_out}."]
        if initiator is not None and initiator.action:
            lines.append(f"What to do first: {initiator.action}.")
        names = ", ".join(each.id for each in guard.elements if each.tripped)
        self._ask(
            f"Reset the trip of {names}?", [*lines, _NO_RESTART],
            feed=self._app.safety, op="reset", said=f"reset {names}",
        )  # fmt: skip

    def change_mode(self) -> None:
        """Arm after the honest claim has been read, or stand down."""
        guard = self._app.plant.guard
        if self._blind():
            return
        target = "observe" if guard.armed else "armed"
        claim = _STAND_DOWN if guard.armed else guard.claim
        question = "Stand down to observe?" if guard.armed else "Arm safety?"
        self._ask(
            question, [claim], feed=self._app.safety, op="mode",
            said=f"mode is {target}", mode=target,
        )  # fmt: skip

    def bypass(self) -> None:
        """Put the initiator under the cursor out of action, with reason and end."""
        row = self._initiator()
        if row is None or self._blind():
            return

        def go_on(answer: tuple[str, float] | None) -> None:
            if answer is None:
                return
            reason, length_s = answer
            self._ask(
                f"Bypass {row.id} for {span(length_s)}?",
                [f"Reason: {reason}", "It will not stop the machine in that time."],
                feed=self._app.safety, op="bypass", said=f"{row.id} is bypassed",
                initiator=row.id, reason=reason, length_s=length_s,
            )  # fmt: skip

        self._app.push_screen(BypassScreen(row.id), go_on)

    def unbypass(self) -> None:
        """Bring the initiator under the cursor back."""
        row = self._initiator()
        if row is None or self._blind():
            return
        if not row.bypassed:
            self._refuse(f"{row.id} is not bypassed")
            return
        self._ask(
            f"End the bypass of {row.id}?", ["It may stop the machine at once."],
            feed=self._app.safety, op="unbypass", said=f"{row.id} acts again",
            initiator=row.id,
        )  # fmt: skip

    def stop(self) -> None:
        """Ask for a stop; whoever can see this screen may."""
        if self._blind():
            return
        self._ask(
            "STOP the machine?", [_STOP], feed=self._app.safety, op="stop",
            said="stop requested", reason="requested at the dashboard",
        )  # fmt: skip

    def _initiator(self) -> Initiator | None:
        seen = self._app.seen
        row = None if seen is None else seen.chosen_initiator(self._app.plant)
        if row is None:
            self._refuse("there is no initiator")
        return row

    def _blind(self) -> bool:
        """Whether safety is out of reach: nothing is asked of it then."""
        if self._app.plant.links[SAFETY].up:
            return False
        self._refuse("safety is not connected: use the panel and the hard-wired stop")
        return True

    def _ask(
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
        def decided(yes: bool | None) -> None:  # noqa: FBT001 - Textual's callback
            if yes:
                work: WorkType[None] = partial(self._do, feed, op, said, args)
                self._app.run_worker(work, name=f"dashboard.act.{op}", group="acts")

        dialogue = ConfirmScreen(question, lines, clock=self._app.clock, grave=grave)
        self._app.push_screen(dialogue, decided)

    async def _do(
        self, feed: Feed, op: str, said: str, args: dict[str, object]
    ) -> None:
        """Send it; say "done" only when its owner has answered: after the disk."""
        try:
            answer = await feed.request(op, within_s=ACT_WITHIN_S, **args)
        except LinkRefusedError as error:
            self._refuse(f"refused: {error}")
            return
        except LinkLostError as error:
            self._refuse(f"not known whether it was done: {error}")
            return
        note = ""
        if isinstance(answer, dict):
            uncommitted = answer.get("committed") is False
            note = "; NOT on disk yet" if uncommitted else ""
            note += f"; {answer['note']}" if answer.get("note") else ""
        self._app.post_message(Said(said + note))

    def _refuse(self, text: str) -> None:
        self._app.post_message(Said(text, refused=True))
