"""What a person may do to an alarm: see it, put it aside, judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.dashboard.advice import headline
from appliance.dashboard.screens.form import Field, needed, optional
from appliance.dashboard.wording import span
from appliance.runtime.durations import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.dashboard.app import Dashboard
    from appliance.dashboard.asking import Asking
    from appliance.dashboard.standing import Alarm

VERDICTS = {"t": "true", "f": "false", "u": "unknown"}
_WORDS = {
    "true": "there was something wrong",
    "false": "nothing was wrong",
    "unknown": "it could not be found out",
}
_ONCE = "once"


class AlarmActs:
    """Acknowledge, shelve, out of service, verdict: of the screen's alarm."""

    def __init__(self, app: Dashboard, asking: Asking) -> None:
        self._app = app
        self._asking = asking

    def acknowledge(self) -> None:
        """Acknowledge it; a latched one that was seen is reset."""
        alarm = self._alarm("there is no alarm to acknowledge")
        if alarm is None:
            return
        if alarm.state == "latched_ack":
            self._asking.ask(
                f"Reset the latch of {alarm.id}?", [headline(alarm)], grave=False,
                feed=self._app.hub, op="alarms.reset", said=f"reset {alarm.id}",
                alarm=alarm.id,
            )  # fmt: skip
            return
        if not alarm.needs_acknowledgement:
            self._asking.refuse(f"{alarm.id} is acknowledged already")
            return
        do = alarm.action or "no action is configured"
        self._asking.ask(
            f"Acknowledge {alarm.id}?",
            [headline(alarm), f"What to do: {do}"],
            grave=False,
            feed=self._app.hub, op="alarms.acknowledge",
            said=f"acknowledged {alarm.id}", alarm=alarm.id,
        )  # fmt: skip

    def shelve(self) -> None:
        """Put it aside for a time, or until it is gone once; or bring it back."""
        alarm = self._alarm()
        if alarm is None:
            return
        if alarm.state == "shelved":
            self._asking.ask(
                f"Bring {alarm.id} back?", ["It is announced again."], grave=False,
                feed=self._app.hub, op="alarms.unshelve", said=f"{alarm.id} is back",
                alarm=alarm.id,
            )  # fmt: skip
            return

        def go_on(answer: Mapping[str, Any]) -> None:
            length_s, one_shot = answer["length"]
            self._asking.ask(
                f"Shelve {alarm.id} {_how_long(length_s, one_shot=one_shot)}?",
                [headline(alarm), f"Reason: {answer['reason']}",
                 "It calls nobody in that time. It comes back by itself."],
                grave=False, feed=self._app.hub, op="alarms.shelve",
                said=f"{alarm.id} is shelved", alarm=alarm.id, for_s=length_s,
                one_shot=one_shot, reason=answer["reason"],
            )  # fmt: skip

        fields = (
            Field("reason", "reason (required)", needed("a shelf needs a reason")),
            Field("length", "15m, 1h, 8h; or '8h once': until it is gone once",
                  shelf_of, "1h"),
        )  # fmt: skip
        self._asking.fill_in(f"Shelve {alarm.id}: why, how long?", fields, go_on)

    def service(self) -> None:
        """Take it out of service until somebody puts it back; or put it back."""
        alarm = self._alarm()
        if alarm is None:
            return
        if alarm.state == "out_of_service":
            self._asking.ask(
                f"Put {alarm.id} back into service?", ["It is announced again."],
                feed=self._app.hub, op="alarms.in_service",
                said=f"{alarm.id} is in service", alarm=alarm.id,
            )  # fmt: skip
            return

        def go_on(answer: Mapping[str, Any]) -> None:
            self._asking.ask(
                f"Take {alarm.id} OUT OF SERVICE?",
                [headline(alarm), f"Reason: {answer['reason']}",
                 "It calls nobody until somebody puts it back."],
                feed=self._app.hub, op="alarms.out_of_service",
                said=f"{alarm.id} is out of service", alarm=alarm.id,
                reason=answer["reason"],
            )  # fmt: skip

        needs = needed("taking it out of service needs a reason")
        self._asking.fill_in(
            f"Out of service: {alarm.id}. Why?",
            (Field("reason", "reason (required)", needs),),
            go_on,
        )

    def verdict(self) -> None:
        """Say whether it was a true alarm: this labels the data."""
        alarm = self._alarm()
        if alarm is None:
            return

        def go_on(answer: Mapping[str, Any]) -> None:
            verdict, note = answer["verdict"], answer["note"]
            self._asking.ask(
                f"{alarm.id}: {verdict}?",
                [_WORDS[verdict], f"Note: {note}" if note else "without a note"],
                grave=False, feed=self._app.hub, op="alarms.verdict",
                said=f"verdict on {alarm.id}: {verdict}", alarm=alarm.id,
                verdict=verdict, note=note,
            )  # fmt: skip

        fields = (
            Field("verdict", "t: true   f: false   u: unknown", verdict_of),
            Field("note", "what was found (may be empty)", optional),
        )
        self._asking.fill_in(f"Was {alarm.id} a true alarm?", fields, go_on)

    def _alarm(self, missing: str = "there is no alarm") -> Alarm | None:
        app = self._app
        seen = app.seen
        alarm = None if seen is None else seen.chosen_alarm(app.plant, app.now)
        if alarm is None:
            self._asking.refuse(missing)
        return alarm


def shelf_of(text: str) -> tuple[float, bool]:
    """Return length in seconds, and whether it ends when the alarm is gone once.

    Raises:
        DurationError: It is neither `1h` nor `1h once`.
    """
    words = text.strip().lower().split()
    one_shot = _ONCE in words
    length = " ".join(word for word in words if word != _ONCE)
    return seconds(length), one_shot


def verdict_of(text: str) -> str:
    """Return `true`, `false` or `unknown`.

    Raises:
        ValueError: It is none of them, nor its first letter.
    """
    word = text.strip().lower()
    found = VERDICTS.get(word[:1])
    if found is None or not found.startswith(word):
        raise ValueError("t (true), f (false) or u (unknown)")
    return found


def _how_long(length_s: float, *, one_shot: bool) -> str:
    end = " or until it is gone once" if one_shot else ""
    return f"for {span(length_s)}{end}"
