"""What is wrong, how sure that is, what to do: one answer, the most urgent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.dashboard.model import HUB, SAFETY
from appliance.dashboard.readings import Trust
from appliance.dashboard.wording import counted, hours, number, plain_name, span

if TYPE_CHECKING:
    from appliance.dashboard.guard import Guard, Initiator
    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

ON_ITS_OWN = {
    "power-up": "The gateway starts tripped. Look at the machine, then reset it (4, r)",
    "arming": "Safety was armed. Look at the machine, then reset it (4, r)",
    "operator's stop": "A person asked for the stop. Reset it when it is safe (4, r)",
    "scan overrun": "Safety was too slow to prove anything. See 5; then reset (4, r)",
    "output lost": "The PLC could not be written. Check its connection; then reset",
}
"""What to do about a first-out that is no initiator."""


@dataclass(frozen=True, slots=True)
class Advice:
    """`severity` is a priority, `unknown` where we cannot see, empty if all is well."""

    severity: str
    wrong: str
    sure: tuple[str, ...] = ()
    consequence: str = ""
    do: str = ""
    more: str = ""

    @property
    def well(self) -> bool:
        """Whether nobody is needed."""
        return not self.severity


def advise(plant: Plant, now: Now) -> Advice:
    """Return the one thing a person should know first."""
    guard, safety_up = plant.guard, plant.links[SAFETY].up
    if safety_up and guard.tripped and guard.armed:
        return _of_trip(plant, now)
    if not plant.links[HUB].up:
        return _of_lost_hub(plant, now)
    announced = [alarm for alarm in plant.alarms if alarm.announced]
    if announced:
        return _of_alarm(plant, announced, now)
    if not safety_up:
        return _of_lost_safety(plant, now)
    for asset in plant.assets(now):
        if asset.anomaly:
            return Advice(
                severity="low",
                wrong=f"{asset.id} behaves unlike its learned normal",
                sure=(*fault_words(asset), *model_words(asset)),
                do="Watch it; an alarm follows if it lasts (2 for the asset)",
            )
    return Advice("", "Nothing needs you", sure=tuple(_remarks(plant, guard, now)))


def _of_trip(plant: Plant, now: Now) -> Advice:
    guard = plant.guard
    first_out, at_ns = plant.machine_stopped_by
    element = next((each for each in guard.elements if each.tripped), None)
    name = "the machine" if element is None else element.id
    ago = "" if at_ns is None else f" {span((now.utc_ns - at_ns) / 1e9)} ago"
    initiator = guard.initiator(first_out)
    sure = [] if element is None else [_stop_word(element.stop)]
    if initiator is not None:
        sure.append(_vote_word(initiator))
    alarms = sum(alarm.announced for alarm in plant.alarms)
    return Advice(
        severity="critical",
        wrong=f"{name} STOPPED{ago} by {first_out}",
        sure=tuple(sure),
        consequence="" if initiator is None else initiator.consequence,
        do=ON_ITS_OWN.get(first_out, "See the trips (4)")
        if initiator is None
        else initiator.action or "Find the cause before the reset (4, r)",
        more=f"and {counted(alarms, 'alarm')} (3)" if alarms else "",
    )


def _of_lost_hub(plant: Plant, now: Now) -> Advice:
    link = plant.links[HUB]
    since = "" if link.since_s is None else f" for {span(now.s - link.since_s)}"
    guards = plant.links[SAFETY].up and plant.guard.armed
    return Advice(
        severity="unknown",
        wrong=f"The hub has not answered{since}: all values here are OLD",
        sure=(
            f"reason: {link.why}",
            "safety still watches the machine"
            if guards
            else "safety does not watch the machine, as far as we can see",
        ),
        do="It restarts by itself; if not: is it running? (wheeltapper up, or systemd)",
    )


def _of_lost_safety(plant: Plant, now: Now) -> Advice:
    link = plant.links[SAFETY]
    since = "" if link.since_s is None else f" for {span(now.s - link.since_s)}"
    return Advice(
        severity="high",
        wrong=f"Safety has not answered{since}",
        sure=(f"reason: {link.why}", "its heartbeat stops: the PLC acts by itself"),
        do="It restarts by itself, tripped; if not: is it running?",
    )


def _of_alarm(plant: Plant, announced: list[Alarm], now: Now) -> Advice:
    alarm = announced[0]
    asset = plant.asset(alarm.asset, now)
    within = alarm.respond_within_s
    do = alarm.action or "No action is configured: look at the asset (2)"
    others = len(announced) - 1
    return Advice(
        severity=alarm.priority,
        wrong=headline(alarm),
        sure=tuple(_evidence(plant, alarm, asset, now)),
        consequence=alarm.consequence,
        do=do if within is None else f"{do} (within {span(within)})",
        more=f"and {others} more (3)" if others else "",
    )


def headline(alarm: Alarm) -> str:
    """Return an alarm in one line, with how it stands."""
    seen = "" if alarm.acknowledged else ", not acknowledged"
    state = "active" if alarm.active else "gone"
    return f"{condition_of(alarm)} ({state}{seen})"


def condition_of(alarm: Alarm) -> str:
    """Return what is wrong, or was."""
    words = {
        "high": "is high",
        "high_high": "is very high",
        "low": "is low",
        "low_low": "is very low",
        "rate": "moves too fast",
        "stale": "is stale",
        "bad": "has bad quality",
        "score": "behaves unlike its learned normal",
    }
    subject = alarm.asset if alarm.rule == "score" else alarm.tag
    if alarm.of_source:
        subject = alarm.id.partition(":")[0]
    gone = "" if alarm.active else "was: "
    condition = words.get(alarm.rule, alarm.rule)
    if alarm.of_source:
        condition = f"- {alarm.cause}"
    return f"{gone}{subject} {condition}"


def _evidence(plant: Plant, alarm: Alarm, asset: Asset | None, now: Now) -> list[str]:
    words = []
    if alarm.of_source:
        return [f"{len(alarm.tags)} tags are touched"] if alarm.tags else []
    if alarm.rule != "score":
        words.append(_measured(plant, alarm, now))
    if asset is not None:
        words.extend(fault_words(asset))
        words.extend(model_words(asset))
    return words


def _measured(plant: Plant, alarm: Alarm, now: Now) -> str:
    reading = plant.readings.reading(alarm.tag, now.s)
    if reading is None:
        return "its tag is not known here"
    age = f"{span(reading.age_s)} old"
    if reading.trust is Trust.BAD:
        return f"it is not measured now: {reading.why}, last confirmed {age}"
    limit = "" if alarm.setpoint is None else f", limit {number(alarm.setpoint, 3)}"
    value = f"{reading.text} {reading.engineering_units}".rstrip()
    return f"measured {value}{limit}; {reading.trust}, {age}"


def _model_word(asset: Asset) -> list[str]:
    if not asset.judged:
        return []
    score = None if asset.score is None else asset.score.good_value
    if score is None:
        return ["the model says nothing now"]
    if score <= 1.0:
        return [f"the model finds it normal ({number(score, 2)} of its limit)"]
    cause = asset.cause.removeprefix(f"{asset.id}/")
    because = f", mostly {cause}" if cause else ""
    return [f"the model agrees: score {number(score, 2)} × its limit{because}"]  # noqa: RUF001 - times


def _life_words(asset: Asset) -> list[str]:
    life = asset.life
    if life is None:
        return []
    interval = f"{hours(life.low_h)} to {hours(life.high_h)}, 8 in 10"
    return [f"remaining life {hours(life.expected_h)} ({interval})"]


def model_words(asset: Asset) -> list[str]:
    """Return what its model says of an asset, and how long that may last."""
    return [*_model_word(asset), *_life_words(asset)]


def fault_words(asset: Asset) -> list[str]:
    """Return the likeliest fault with what speaks for it, if one is named."""
    told = asset.explanation
    if told is None or not told.likely:
        return []
    fault = told.likely[0]
    sure = f"{100 * fault.confidence:.0f} %"
    return [f"likely {plain_name(fault.fault)} ({sure}): {fault.evidence}"]


def _stop_word(stop: str) -> str:
    return {
        "confirmed": "the stop is confirmed by its feedback",
        "pending": "the stop is NOT confirmed yet",
        "failed": "the stop FAILED: it is not confirmed; use the hard-wired stop",
    }.get(stop, "whether it has stopped is not known")


def _vote_word(initiator: Initiator) -> str:
    demanding = sum(channel.demanding for channel in initiator.channels)
    values = " ".join(number(channel.value, 3) for channel in initiator.channels)
    units = initiator.engineering_units
    return (
        f"{demanding} of {len(initiator.channels)} channels demand it"
        f" ({initiator.vote}): {values} {units}, limit {number(initiator.setpoint, 3)}"
    )


def _remarks(plant: Plant, guard: Guard, now: Now) -> list[str]:
    """Return what is normal, but worth knowing before trusting the quiet."""
    words = []
    if guard.known and not guard.armed:
        words.append("safety only observes: it would not stop anything (4, m)")
    words.extend(f"{each.id} is bypassed" for each in guard.bypassed)
    words.extend(
        f"{asset.id} is not judged by a model now"
        for asset in plant.assets(now)
        if asset.judged and (asset.score is None or asset.score.good_value is None)
    )
    return words or ["every model finds its machine normal; safety is armed"]
