"""A control room for tests: alarms, a clock that is set by hand, and a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.alarms.engine import AlarmEngine
from appliance.alarms.watch import Place
from appliance.config import AlarmSettings
from appliance.domain.batch import batch_of, keep_alive
from appliance.domain.sample import STATUS_BAD_SENSOR_FAILURE, Quality
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.alarms.acts import Act
    from appliance.domain.event import Event

S = 1_000_000_000
EPOCH_NS = 1_700_000_000 * S
TAGS = ("P/level", "P/flow", "P/power", "P/running", "P/anomaly_score")
PLACES = {
    TagId(tag): Place(number, "plc.poll", 5.0, "bar") for number, tag in enumerate(TAGS)
}
LEVEL, FLOW, POWER = "P/level:high", "P/flow:high", "P/power:high"


def alarm(tag: str = "P/level", rule: str = "high", **keys: object) -> AlarmSettings:
    if rule not in {"bad", "stale", "score"}:
        keys.setdefault("setpoint", 5.0)
    return AlarmSettings.model_validate({"tag": tag, "rule": rule, **keys})


class Room:
    """A control room: alarms, a clock set by hand, and a log."""

    def __init__(
        self,
        *alarms: AlarmSettings,
        recalled: Mapping[str, Event] | None = None,
        explanation: Mapping[str, Any] | None = None,
        before: Room | None = None,
    ) -> None:
        """`before` is the room that was there until a restart: its log is left."""
        past = [] if before is None else before.log
        if before is not None:
            recalled = {str(event.details["id"]): event for event in past}
        self.start_ns = EPOCH_NS if before is None else before.utc_ns
        self.now_s = 0.0
        self.log: list[Event] = []
        self.engine = AlarmEngine(
            alarms,
            PLACES,
            now_s=0.0,
            utc_ns=self.start_ns,
            recalled=recalled,
            lately=past,
            explain=lambda _asset: explanation,
        )

    @property
    def utc_ns(self) -> int:
        return self.start_ns + round(self.now_s * S)

    def see(
        self, values: dict[str, float], *, quality: Quality = Quality.GOOD
    ) -> list[str]:
        """Read tags now; return what is told, as `alarm change`."""
        batch = batch_of(
            [TAGS.index(tag) for tag in values],
            list(values.values()),
            source_time_ns=self.utc_ns,
            receive_time_ns=self.utc_ns,
            quality=quality,
            status=0 if quality is not Quality.BAD else STATUS_BAD_SENSOR_FAILURE,
            group="plc.poll",
        )
        return self.noted(
            self.engine.evaluate(batch, now_s=self.now_s, utc_ns=self.utc_ns)
        )

    def level(self, value: float, *, quality: Quality = Quality.GOOD) -> list[str]:
        return self.see({"P/level": value}, quality=quality)

    def wait(self, passed_s: float, *, confirmed: bool = True) -> list[str]:
        self.now_s += passed_s
        told: list[str] = []
        if confirmed:
            alive = keep_alive("plc.poll", self.utc_ns)
            told += self.noted(
                self.engine.evaluate(alive, now_s=self.now_s, utc_ns=self.utc_ns)
            )
        return told + self.noted(self.engine.tick(now_s=self.now_s, utc_ns=self.utc_ns))

    def act(self, act: Act, alarm_id: str = LEVEL, reason: str = "") -> list[str]:
        return self.noted(
            self.engine.act(
                alarm_id, act, actor="ada", reason=reason, now_s=self.now_s,
                utc_ns=self.utc_ns,
            )
        )  # fmt: skip

    def noted(self, events: list[Event]) -> list[str]:
        self.log += events
        return [event.name for event in events]

    def row(self, alarm_id: str = LEVEL) -> dict[str, Any]:
        rows = self.engine.table(now_s=self.now_s, utc_ns=self.utc_ns)
        return next(row for row in rows if row["id"] == alarm_id)

    def called(self) -> list[str]:
        """Return the alarms whose events called for a person, in order."""
        return [str(e.details["id"]) for e in self.log if e.details.get("announced")]

    def overview(self) -> dict[str, Any]:
        return self.engine.overview(now_s=self.now_s, utc_ns=self.utc_ns)


STOPPED = {"tag": "P/running", "below": 0.5}
