"""The stories, told in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sim_plant.bearing import DRIVE_END
from sim_plant.instruments import Wiring, engineering
from sim_plant.plant import Plant
from sim_plant.rehearsal import Rehearsal
from sim_plant.reporting import Mark
from sim_plant.scenario import load, parse
from sim_plant.tags import TRANSMITTERS, transmitter_index
from sim_plant.vibration import BURST_S, SAMPLE_RATE_HZ, band_velocity_mm_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sim_plant.scenario import Scenario

VIBRATION = "P-101/DE/vibration_rms"
WINDING = "P-101/motor/winding_temperature"


def operate(
    scenario: str | Scenario,
    *,
    marks: tuple[Mark, ...] = (),
    seed: int | None = None,
    speed: float | None = None,
    disarmed: bool = False,
) -> Rehearsal:
    """Rehearse a shipped scenario or one made up here."""
    story = load(scenario) if isinstance(scenario, str) else scenario
    return Rehearsal(
        Plant(story, marks=marks, seed=seed, speed=speed, disarmed=disarmed)
    )


def _read(plant: Plant, tag: str) -> float:
    index = transmitter_index(tag)
    presented = plant.state.transmitters[index].presented
    return engineering(TRANSMITTERS[index], presented)


def _envelope_line(acceleration: NDArray[np.float64], rate_hz: float) -> float:
    """Height of a line in the envelope spectrum, in medians of its neighbourhood."""
    spectrum = np.fft.fft(acceleration)
    frequency_hz = np.fft.fftfreq(acceleration.size, 1.0 / SAMPLE_RATE_HZ)
    spectrum[(frequency_hz < 2_000.0) | (frequency_hz > 4_000.0)] = 0.0
    envelope = np.abs(np.fft.ifft(spectrum))
    lines = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(4_096)))
    at = round(rate_hz * acceleration.size / SAMPLE_RATE_HZ)
    return float(lines[at - 2 : at + 3].max() / np.median(lines[2:200]))


def test_bearing_wear_keeps_its_timetable() -> None:
    marks = (Mark(VIBRATION, 4.5), Mark(VIBRATION, 7.1))
    operated = operate("bearing-wear", marks=marks).started_at(10.0)
    operated.until(30.0)
    assert _read(operated.plant, VIBRATION) == pytest.approx(1.2, abs=0.1)
    operated.until(85.0)
    onset_s = operated.times("fault")[0]
    alarm_s, trip_s = operated.times("mark")
    assert onset_s == pytest.approx(35.0, abs=0.05)
    assert 70.0 <= alarm_s <= 76.0
    assert 78.0 <= trip_s <= 83.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_timetable_does_not_hang_on_the_seed(seed: int) -> None:
    marks = (Mark(VIBRATION, 4.5), Mark(VIBRATION, 7.1))
    operated = operate("bearing-wear", marks=marks, seed=seed).started_at(10.0)
    alarm_s, trip_s = operated.until(85.0).times("mark")[:2]
    assert 70.0 <= alarm_s <= 76.0
    assert 78.0 <= trip_s <= 83.0


def test_the_envelope_shows_the_defect_long_before_the_overall_value() -> None:
    operated = operate("bearing-wear").started_at(10.0).until(50.0)
    rate_hz = DRIVE_END.bpfo_orders * operated.plant.state.machine.rpm / 60.0
    lines = {
        burst.start_s: _envelope_line(burst.acceleration_m_s2, rate_hz)
        for burst in operated.bursts
    }
    healthy = [line for at_s, line in lines.items() if 15.0 < at_s < 34.0]
    early = [line for at_s, line in lines.items() if 38.0 < at_s < 48.0]
    assert min(early) > 2.0 * max(healthy)
    assert _read(operated.plant, VIBRATION) < 1.4


def test_wear_passes_only_while_the_machine_runs() -> None:
    operated = operate("bearing-wear").until(60.0)
    assert operated.plant.state.hours_run == 8_000.0
    faults = [line for line in operated.lines if line.kind == "fault"]
    assert [line.fields["severity"] for line in faults] == [0.0085]
    operated.started_at(60.0).until(61.02)
    assert operated.plant.state.hours_run == pytest.approx(8_010.0, abs=0.5)


def test_speed_hurries_wear_alone() -> None:
    usual = operate("healthy", speed=3_600.0).started_at(2.0).until(20.0).plant.state
    hurried = operate("healthy", speed=36_000.0).started_at(2.0).until(20.0).plant.state
    assert hurried.machine == usual.machine
    assert hurried.transmitters == usual.transmitters
    assert hurried.hours_run - 8_000.0 == pytest.approx(
        10.0 * (usual.hours_run - 8_000.0)
    )


def test_a_seed_fixes_everything() -> None:
    first = operate("bearing-wear", seed=7).started_at(5.0).until(45.0)
    again = operate("bearing-wear", seed=7).started_at(5.0).until(45.0)
    assert first.plant.state == again.plant.state
    assert first.lines == again.lines
    for one, other in zip(first.bursts, again.bursts, strict=True):
        np.testing.assert_array_equal(one.acceleration_m_s2, other.acceleration_m_s2)


def test_another_seed_gives_other_noise() -> None:
    first = operate("healthy", seed=7).started_at(5.0).until(8.0)
    other = operate("healthy", seed=8).started_at(5.0).until(8.0)
    assert first.plant.state.transmitters != other.plant.state.transmitters


def test_a_healthy_machine_stays_where_it_is() -> None:
    operated = operate("healthy").started_at(5.0).until(20.0)
    before = {t.tag: _read(operated.plant, t.tag) for t in TRANSMITTERS}
    operated.until(120.0)
    for transmitter in TRANSMITTERS:
        span = transmitter.range_high - transmitter.range_low
        drift = abs(_read(operated.plant, transmitter.tag) - before[transmitter.tag])
        assert drift < 0.06 * span, transmitter.tag
    assert operated.times("fault") == []


def test_waveform_and_transmitter_agree_in_the_running_plant() -> None:
    operated = operate("bearing-wear").started_at(10.0).until(78.0)
    for low_s, high_s in ((20.0, 34.0), (70.0, 73.0)):
        burst_mm_s = [
            band_velocity_mm_s(burst.acceleration_m_s2)
            for burst in operated.bursts
            if low_s < burst.start_s < high_s
        ]
        told = 1.15 if high_s < 35.0 else 3.5
        assert float(np.mean(burst_mm_s)) == pytest.approx(told, rel=0.15)


def test_bursts_come_every_second_when_they_are_complete() -> None:
    operated = operate("healthy").until(10.39)
    starts = [burst.start_s for burst in operated.bursts]
    assert starts == pytest.approx([0.02, *range(1, 10)], abs=0.021)
    operated.until(10.0 + BURST_S + 0.05)
    assert len(operated.bursts) == 11


def test_overtemperature_passes_155_degrees_about_a_minute_after_its_onset() -> None:
    marks = (Mark(WINDING, 155.0),)
    operated = operate("overtemperature", marks=marks).started_at(10.0)
    operated.until(29.0)
    assert _read(operated.plant, WINDING) == pytest.approx(87.0, abs=1.5)
    (hot_s,) = operated.until(110.0).times("mark")
    assert 70.0 < hot_s < 95.0


def test_cavitation_costs_head_and_makes_noise_when_the_margin_is_gone() -> None:
    operated = operate("cavitation").started_at(10.0).until(34.0)
    quiet = operated.plant.state.machine
    assert quiet.npsh_margin_m > 5.0
    assert quiet.cavitation == 0.0
    discharge_bar = _read(operated.plant, "P-101/discharge_pressure")
    operated.until(85.0)
    rough = operated.plant.state.machine
    assert rough.npsh_margin_m < 0.0
    assert rough.cavitation > 0.5
    assert _read(operated.plant, "P-101/discharge_pressure") < discharge_bar - 1.0
    noise = [float(np.std(b.acceleration_m_s2)) for b in operated.bursts]
    assert noise[-1] > 10.0 * noise[30]


def test_a_stuck_transmitter_freezes_and_its_twins_live_on() -> None:
    operated = operate("sensor-stuck").started_at(10.0).until(36.0)
    stuck, twins = set(), set()
    for tenth in range(360, 460):
        operated.until(tenth / 10.0)
        stuck.add(_read(operated.plant, VIBRATION))
        twins.add(_read(operated.plant, VIBRATION + "_B"))
    assert len(stuck) == 1
    assert len(twins) > 10
    (line,) = (line for line in operated.lines if line.kind == "fault")
    assert (line.fields["what"], line.fields["where"]) == (
        "transmitter_stuck",
        VIBRATION,
    )


def test_a_broken_wire_is_presented_as_failed_and_clears_no_limit() -> None:
    story = parse(
        'name = "b"\ntitle = "t"\n[[faults]]\nkind = "transmitter"\nat_s = 8\n'
        f'tag = "{VIBRATION}"\nwiring = "{Wiring.WIRE_BREAK}"',
        place="b",
    )
    operated = operate(story, marks=(Mark(VIBRATION, 0.5),)).started_at(2.0)
    operated.until(9.0)
    index = transmitter_index(VIBRATION)
    assert operated.plant.state.transmitters[index].presented.failed
    assert len(operated.times("mark")) == 1
    assert operated.times("mark_cleared") == pytest.approx([8.0], abs=0.03)


def test_the_log_tells_start_stop_and_why() -> None:
    operated = operate("healthy").started_at(3.0).until(5.0)
    operated.plant.memory.run_permit_request = False
    operated.until(6.0)
    told = [(line.kind, line.fields.get("cause")) for line in operated.lines]
    assert told == [
        ("plant_started", None),
        ("running", None),
        ("stop_seen", None),
        ("stopped", "run_permit"),
    ]
    assert operated.times("stop_seen") == operated.times("stopped")


def test_a_gateway_that_dies_stops_the_machine() -> None:
    operated = operate("healthy").started_at(3.0).until(5.0)
    operated.beating = False
    operated.until(7.0)
    (tripped_s,) = operated.times("watchdog_tripped")
    assert tripped_s == pytest.approx(6.0, abs=0.05)
    assert operated.lines[-1].fields == {"cause": "watchdog"}
    assert not operated.plant.state.plc.running


def test_disarmed_it_powers_up_running_and_warm() -> None:
    operated = operate("healthy", disarmed=True)
    assert [line.kind for line in operated.lines] == ["plant_started", "running"]
    assert _read(operated.plant, "P-101/motor/speed") > 1_470.0
    operated.until(5.0)
    assert operated.plant.state.plc.running


def test_a_growing_fault_is_told_once_a_second() -> None:
    operated = operate("bearing-wear").started_at(10.0).until(45.5)
    at_s = operated.times("fault")
    assert len(at_s) == 11
    assert np.diff(at_s) == pytest.approx([1.0] * 10, abs=0.05)
    severities = [
        float(line.fields["severity"])
        for line in operated.lines
        if line.kind == "fault"
    ]
    assert severities == sorted(severities)


def test_a_mark_on_an_unknown_tag_is_refused() -> None:
    with pytest.raises(KeyError):
        Mark("P-101/nonsense", 1.0)


def test_all_faults_can_come_together() -> None:
    parts = [load(name) for name in ("bearing-wear", "overtemperature", "cavitation")]
    together = tuple(fault for part in parts for fault in part.faults)
    story = parts[0].model_copy(update={"faults": together})
    operated = operate(story).started_at(5.0).until(60.0)
    where = {line.fields["where"] for line in operated.lines if line.kind == "fault"}
    assert where == {"P-101/DE", "P-101/motor", "P-101/suction"}


def test_a_calibrator_on_the_loop_speaks_for_the_transmitter() -> None:
    operated = operate("healthy").started_at(1.0).until(2.0)
    plant, tag = operated.plant, "P-101/DE/vibration_rms"
    before = _read(plant, tag)
    plant.inject(tag, 9.5)
    assert _read(plant, tag) == 9.5
    operated.until(2.5)
    assert _read(plant, tag) == 9.5
    plant.inject(tag, None)
    failed = [plant.state.transmitters[4].presented.failed]
    plant.release(tag)
    operated.until(3.0)
    failed.append(plant.state.transmitters[4].presented.failed)
    assert failed == [True, False]
    assert _read(plant, tag) == pytest.approx(before, abs=0.5)
