"""What a person may do to safety. Nothing is asked of it while it is out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.dashboard.model import SAFETY
from appliance.dashboard.screens.form import Field, needed
from appliance.dashboard.wording import span
from appliance.runtime.durations import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.dashboard.app import Dashboard
    from appliance.dashboard.asking import Asking
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
_HAND_OVER = (
    "The PLC keeps the machine running without our heartbeat for that time; until we"
    " are back, this gateway guards nothing. The PLC must consent."
)
_TAKE_BACK = "The machine is watched by the heartbeat again."


class TripActs:
    """Reset, mode, bypass, hand-over, stop."""

    def __init__(self, app: Dashboard, asking: Asking) -> None:
        self._app = app
        self._asking = asking

    def reset(self) -> None:
        """Clear the trip."""
        plant = self._app.plant
        guard = plant.guard
        if self._blind():
            return
        if not guard.tripped:
            self._asking.refuse("nothing is tripped")
            return
        first_out, _ = plant.machine_stopped_by
        initiator = guard.initiator(first_out)
        lines = [f"First-out: {first_out}."]
        if initiator is not None and initiator.action:
            lines.append(f"What to do first: {initiator.action}.")
        names = ", ".join(each.id for each in guard.elements if each.tripped)
        self._asking.ask(
            f"Reset the trip of {names}?", [*lines, _NO_RESTART],
            feed=self._app.safety, op="reset", said=f"reset {names}",
        )  # fmt: skip

    def mode(self) -> None:
        """Arm after the honest claim has been read, or stand down."""
        guard = self._app.plant.guard
        if self._blind():
            return
        target = "observe" if guard.armed else "armed"
        claim = _STAND_DOWN if guard.armed else guard.claim
        question = "Stand down to observe?" if guard.armed else "Arm safety?"
        self._asking.ask(
            question, [claim], feed=self._app.safety, op="mode",
            said=f"mode is {target}", mode=target,
        )  # fmt: skip

    def bypass(self) -> None:
        """Put the initiator under the cursor out of action, with reason and end."""
        row = self._initiator()
        if row is None or self._blind():
            return

        def go_on(answer: Mapping[str, Any]) -> None:
            reason, length_s = answer["reason"], answer["length"]
            self._asking.ask(
                f"Bypass {row.id} for {span(length_s)}?",
                [f"Reason: {reason}", "It will not stop the machine in that time."],
                feed=self._app.safety, op="bypass", said=f"{row.id} is bypassed",
                initiator=row.id, reason=reason, length_s=length_s,
            )  # fmt: skip

        fields = (
            Field("reason", "reason (required)", needed("a bypass needs a reason")),
            Field("length", "for how long: 15m, 1h, 8h", seconds, "1h"),
        )
        question = f"Bypass {row.id}: why, and for how long?"
        self._asking.fill_in(question, fields, go_on)

    def unbypass(self) -> None:
        """Bring the initiator under the cursor back."""
        row = self._initiator()
        if row is None or self._blind():
            return
        if not row.bypassed:
            self._asking.refuse(f"{row.id} is not bypassed")
            return
        self._asking.ask(
            f"End the bypass of {row.id}?", ["It may stop the machine at once."],
            feed=self._app.safety, op="unbypass", said=f"{row.id} acts again",
            initiator=row.id,
        )  # fmt: skip

    def handover(self) -> None:
        """Let the PLC keep the machine while the gateway restarts; or take it back."""
        if self._blind():
            return
        feed = self._app.safety
        if self._app.plant.guard.maintenance is not None:
            self._asking.ask(
                "Take the machine back?", [_TAKE_BACK], feed=feed,
                op="maintenance.end", said="watched by the heartbeat again",
            )  # fmt: skip
            return

        def go_on(answer: Mapping[str, Any]) -> None:
            reason, length_s = answer["reason"], answer["length"]
            self._asking.ask(
                f"Hand the machine over to the PLC for {span(length_s)}?",
                [f"Reason: {reason}", _HAND_OVER], feed=feed,
                op="maintenance.begin", said="handed over: restart or upgrade now",
                reason=reason, length_s=length_s,
            )  # fmt: skip

        fields = (
            Field("reason", "reason (required)", needed("a reason is needed")),
            Field("length", "for how long: 5m, 15m", seconds, "5m"),
        )
        self._asking.fill_in("Hand over to the PLC: why, how long?", fields, go_on)

    def stop(self) -> None:
        """Ask for a stop; whoever can see this screen may."""
        if self._blind():
            return
        self._asking.ask(
            "STOP the machine?", [_STOP], feed=self._app.safety, op="stop",
            said="stop requested", reason="requested at the dashboard",
        )  # fmt: skip

    def _initiator(self) -> Initiator | None:
        seen = self._app.seen
        row = None if seen is None else seen.chosen_initiator(self._app.plant)
        if row is None:
            self._asking.refuse("there is no initiator")
        return row

    def _blind(self) -> bool:
        """Whether safety is out of reach: nothing is asked of it then."""
        if self._app.plant.links[SAFETY].up:
            return False
        self._asking.refuse(
            "safety is not connected: use the panel and the hard-wired stop"
        )
        return True
