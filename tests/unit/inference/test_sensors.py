"""Instruments accused, and machines not: from rows to findings, with learned cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from appliance.domain.batch import Waveform, batch_of
from appliance.domain.sample import Quality
from appliance.domain.tag import Tag, TagId
from appliance.inference.sensors import SensorWatch
from appliance.inference.window import Windows
from models.features import AssetModel, FeatureTable, feature_names, feature_vector
from models.sensors import Sensors
from models.train.sensors import learn_sensors
from models.train.settings import TagSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch
    from appliance.inference.sensors import SensorReport
    from models.features import Window

S = 1_000_000_000
T0 = 1_800_000_000 * S
NAMES = ("flow", "current", "pressure", "vib_a", "vib_b", "vib_c", "level", "coarse")
TAGS = {name: TagId(f"P-1/{name}") for name in NAMES}
UNITS = {"vib_a": "mm/s", "vib_b": "mm/s", "vib_c": "mm/s"}
BURST = TagId("P-1/burst")
NUMBERS = {tag: number for number, tag in enumerate((*TAGS.values(), BURST), start=1)}
MODEL = AssetModel(
    "P-1",
    tuple(Tag(tag) for tag in TAGS.values()),
    window_s=10.0,
    hop_s=5.0,
    hold_s=5.0,
    waveform_tag=BURST,
)
TOLD = TrainingSettings(
    asset="P-1",
    tags=(
        *(TagSettings(t, UNITS.get(n, ""), 0.0, 100.0) for n, t in TAGS.items()),
        TagSettings(BURST, "m/s2"),
    ),
    window_s=10.0,
    hop_s=5.0,
    twins=((TAGS["vib_a"], TAGS["vib_b"], TAGS["vib_c"]),),
    cross_checked=(TAGS["flow"],),
)


class Spoil(Protocol):
    """Changes the values of one second, in place; NaN is a bad value."""

    def __call__(self, second: int, values: dict[str, float]) -> None: ...


def healthy(second: int, values: dict[str, float]) -> None:
    del second, values


def plant(seconds: int, spoil: Spoil = healthy, *, seed: int = 0) -> Iterator[Window]:
    """A machine whose load wanders, read once a second."""
    rng = np.random.default_rng(seed)
    windows = Windows(MODEL, NUMBERS)
    for second in range(1, seconds + 1):
        load = 50.0 + 8.0 * np.sin(second / 40.0)
        noise = rng.normal(size=len(NAMES))
        values = {
            "flow": load + 0.1 * noise[0],
            "current": 20.0 + 0.4 * load + 0.05 * noise[1],
            "pressure": 90.0 - 0.5 * load + 0.05 * noise[2],
            "vib_a": 2.0 + 0.02 * noise[3],
            "vib_b": 2.1 + 0.02 * noise[4],
            "vib_c": 1.9 + 0.02 * noise[5],
            "level": 30.0 + 0.1 * noise[6],
            "coarse": float(round(40.0 + 0.3 * np.sin(second / 300.0))),
        }
        burst = 0.5 * rng.normal(size=512)
        spoil(second, values)
        windows.push(_batch(second, values, burst))
        window = windows.due(T0 + second * S)
        if window is not None:
            yield window


def _batch(
    second: int, values: Mapping[str, float], burst: NDArray[np.float64]
) -> Batch:
    now_ns, column = T0 + second * S, np.array(list(values.values()))
    points = burst.astype(np.float32) * np.float32(values.get("burst", 1.0))
    return batch_of(
        list(range(1, len(NAMES) + 1)),
        column[: len(NAMES)],
        source_time_ns=now_ns,
        receive_time_ns=now_ns,
        quality=np.where(np.isfinite(column[: len(NAMES)]), Quality.GOOD, Quality.BAD),
        group="poll",
        waveforms=(Waveform(len(NAMES) + 1, now_ns, 10_240.0, points),),
    )


def learned(windows: Iterator[Window]) -> Sensors:
    rows = [(window.end_ns, feature_vector(MODEL, window)) for window in windows]
    return learn_sensors(FeatureTable.of(feature_names(MODEL), rows), TOLD)


@pytest.fixture(scope="module")
def cards() -> Sensors:
    return learned(plant(1200))


def watched(cards: Sensors, seconds: int, spoil: Spoil) -> list[SensorReport]:
    watch = SensorWatch(cards)
    return [
        watch.look(w, feature_vector(MODEL, w)) for w in plant(seconds, spoil, seed=9)
    ]


def found(reports: list[SensorReport]) -> set[tuple[str, str]]:
    """Return the tag and the finding of all that was ever found."""
    return {
        (each.tag.removeprefix("P-1/"), each.finding)
        for report in reports
        for each in report.findings
    }


def test_a_healthy_machine_accuses_nobody(cards: Sensors) -> None:
    reports = watched(cards, 900, healthy)
    assert found(reports) == set()
    assert not any(report.without for report in reports)


def test_a_stuck_instrument_is_left_out_at_once_and_found_when_it_lasts(
    cards: Sensors,
) -> None:
    def stuck(second: int, values: dict[str, float]) -> None:
        if second > 100:
            values["level"] = 30.1

    reports = watched(cards, 200, stuck)
    assert found(reports) == {("level", "stuck")}
    ends = [15 + 5 * i for i in range(len(reports))]
    out = [end for end, r in zip(ends, reports, strict=True) if r.without]
    told = [end for end, r in zip(ends, reports, strict=True) if r.findings]
    assert out[0] == 110
    assert told[0] == 140
    assert reports[-1].without == {TAGS["level"]}
    assert "at 30.1 for" in reports[-1].findings[0].evidence


def test_what_often_stands_still_is_not_accused_of_it(cards: Sensors) -> None:
    def flat(second: int, values: dict[str, float]) -> None:
        del second
        values["coarse"] = 40.0

    assert found(watched(cards, 600, flat)) == set()


def test_a_finding_ends_when_it_has_been_gone_for_a_while(cards: Sensors) -> None:
    def for_a_while(second: int, values: dict[str, float]) -> None:
        if 50 < second <= 150:
            values["level"] = 30.1

    reports = watched(cards, 300, for_a_while)
    assert found(reports) == {("level", "stuck")}
    assert reports[-1].findings == ()
    assert not reports[-1].without


def test_lost_noise_is_found(cards: Sensors) -> None:
    def damped(second: int, values: dict[str, float]) -> None:
        values["level"] = 30.0 + 0.002 * np.sin(second)

    assert found(watched(cards, 200, damped)) == {("level", "quiet")}


def test_a_dead_accelerometer_is_found(cards: Sensors) -> None:
    def silent(second: int, values: dict[str, float]) -> None:
        del second
        values["burst"] = 0.01

    assert found(watched(cards, 200, silent)) == {("burst", "quiet")}


def test_single_jumps_are_left_out_at_once_and_found_when_there_are_several(
    cards: Sensors,
) -> None:
    def contact(second: int, values: dict[str, float]) -> None:
        if second % 60 == 0 and second > 60:
            values["pressure"] += 30.0

    once = watched(cards, 130, contact)
    assert found(once) == set()
    assert any(report.without == {TAGS["pressure"]} for report in once)
    assert found(watched(cards, 400, contact)) == {("pressure", "spikes")}


def test_a_step_of_the_machine_is_no_jump(cards: Sensors) -> None:
    def step(second: int, values: dict[str, float]) -> None:
        if second > 200:
            values["pressure"] += 30.0

    reports = watched(cards, 400, step)
    assert not any("spikes" in each for each in found(reports))
    assert not any(report.without - {TAGS["flow"]} for report in reports)


def test_jumps_of_a_vibration_may_be_the_machines(cards: Sensors) -> None:
    def blows(second: int, values: dict[str, float]) -> None:
        if second % 30 == 0:
            for name in ("vib_a", "vib_b", "vib_c"):
                values[name] += 5.0

    assert found(watched(cards, 300, blows)) == set()


def test_the_one_of_three_that_leaves_is_accused(cards: Sensors) -> None:
    def drift(second: int, values: dict[str, float]) -> None:
        values["vib_b"] += 0.01 * second

    reports = watched(cards, 400, drift)
    assert found(reports) == {("vib_b", "disagrees")}
    assert reports[-1].without == {TAGS["vib_b"]}


def test_what_all_three_say_is_believed(cards: Sensors) -> None:
    def shaken(second: int, values: dict[str, float]) -> None:
        for name in ("vib_a", "vib_b", "vib_c"):
            values[name] += 0.02 * second

    assert found(watched(cards, 300, shaken)) == set()


def test_of_two_that_disagree_both_are_left_out(cards: Sensors) -> None:
    def two(second: int, values: dict[str, float]) -> None:
        values["vib_c"] = np.nan
        if second > 100:
            values["vib_a"] += 3.0

    reports = watched(cards, 300, two)
    assert found(reports) == {
        ("vib_c", "missing"),
        ("vib_a", "disagrees"),
        ("vib_b", "disagrees"),
    }
    told = {each.tag: each.evidence for each in reports[-1].findings}
    assert "not known" in told["P-1/vib_a"]


def test_three_of_three_minds_accuse_nobody(cards: Sensors) -> None:
    def quarrel(second: int, values: dict[str, float]) -> None:
        del second
        values["vib_a"] += 10.0
        values["vib_b"] -= 10.0

    assert ("vib_c", "disagrees") not in found(watched(cards, 200, quarrel))


def test_a_cross_checked_tag_that_drifts_is_found(cards: Sensors) -> None:
    def drift(second: int, values: dict[str, float]) -> None:
        values["flow"] += 0.02 * second

    reports = watched(cards, 600, drift)
    assert found(reports) == {("flow", "drifts")}
    assert reports[-1].without == {TAGS["flow"]}


def test_peers_out_of_what_was_seen_say_nothing(cards: Sensors) -> None:
    def other_load(second: int, values: dict[str, float]) -> None:
        del second
        values["flow"] -= 30.0
        values["current"] -= 12.0
        values["pressure"] += 3.0

    assert found(watched(cards, 300, other_load)) == set()


def test_a_missing_value_is_found_and_only_then_left_out(cards: Sensors) -> None:
    def broken(second: int, values: dict[str, float]) -> None:
        if second > 60:
            values["level"] = np.nan

    reports = watched(cards, 300, broken)
    assert found(reports) == {("level", "missing")}
    before = [r for r in reports if not r.findings]
    assert not any(report.without for report in before)
    assert reports[-1].without == {TAGS["level"]}


def test_when_most_is_broken_nothing_is_left_out(cards: Sensors) -> None:
    def dark(second: int, values: dict[str, float]) -> None:
        if second > 60:
            for name in NAMES[:6]:
                values[name] = np.nan

    reports = watched(cards, 300, dark)
    assert not any(report.without for report in reports)
    assert len(reports[-1].findings) == 6


def test_a_tag_that_does_not_follow_is_not_checked() -> None:
    told = TOLD
    rows = [(w.end_ns, feature_vector(MODEL, w)) for w in plant(400)]
    table = FeatureTable.of(feature_names(MODEL), rows)
    asked = TrainingSettings(
        asset="P-1",
        tags=told.tags,
        window_s=10.0,
        hop_s=5.0,
        twins=((TAGS["flow"], "P-1/elsewhere"),),
        cross_checked=(TAGS["level"], "P-1/elsewhere"),
    )
    found_cards = learn_sensors(table, asked)
    assert all(card.check is None for card in found_cards.cards)
    assert "explain" in found_cards.not_checked["P-1/level"]
    assert "P-1/elsewhere" in found_cards.not_checked
    assert "P-1/flow, P-1/elsewhere" in found_cards.not_checked
    few = FeatureTable.of(feature_names(MODEL), rows[:8])
    assert learn_sensors(few, asked) == Sensors()
