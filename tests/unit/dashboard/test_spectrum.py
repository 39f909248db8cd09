"""The spectrum as it is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.dashboard.spectrum import Spectrum, spectrum_of
from appliance.wire.messages import WaveformPart

RATE_HZ = 10_240.0


def burst(points: np.ndarray, rate_hz: float = RATE_HZ) -> WaveformPart:
    return WaveformPart(1, 0, rate_hz, points.astype("<f4").tobytes(), 2, 0)


def modulated(line_hz: float, seed: int = 3) -> WaveformPart:
    seconds = np.arange(4096) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0.0, 0.3, len(seconds))
    carrier = np.sin(2 * np.pi * 3_000.0 * seconds)
    return burst(noise + (1.0 + np.sin(2 * np.pi * line_hz * seconds)) * carrier)


def found(part: WaveformPart, **more: object) -> Spectrum:
    spectrum = spectrum_of(part, **more)  # type: ignore[arg-type] # the case's own words
    assert spectrum is not None
    return spectrum


def test_a_tone_stands_at_its_frequency_with_its_amplitude() -> None:
    seconds = np.arange(4096) / RATE_HZ
    spectrum = found(burst(2.0 * np.sin(2 * np.pi * 250.0 * seconds)), envelope=False)
    highest = int(spectrum.amplitude.argmax())
    assert highest * spectrum.resolution_hz == pytest.approx(250.0)
    assert spectrum.amplitude[highest] == pytest.approx(2.0, rel=0.01)


def test_the_envelope_shows_the_line_of_the_damaged_race() -> None:
    orders = {"BPFO": 3.0, "BPFI": 5.0}
    spectrum = found(modulated(75.0), envelope=True, shaft_hz=25.0, orders=orders)
    outer, inner = spectrum.lines
    assert (outer.name, outer.hertz) == ("BPFO", 75.0)
    assert outer.stands_out
    assert not inner.stands_out


def test_the_flank_of_a_neighbour_is_no_line() -> None:
    orders = {"X": 2.85}
    (line,) = found(modulated(75.0), envelope=True, shaft_hz=25.0, orders=orders).lines
    assert not line.stands_out


@pytest.mark.parametrize("shaft_hz", [None, 0.0])
def test_without_a_speed_there_are_no_lines(shaft_hz: float | None) -> None:
    spectrum = found(
        modulated(75.0), envelope=True, shaft_hz=shaft_hz, orders={"BPFO": 3.0}
    )
    assert spectrum.lines == ()
    assert spectrum.top_hz == pytest.approx(RATE_HZ / 16, rel=0.01)


def test_the_scale_reaches_a_few_harmonics_of_the_lines() -> None:
    orders = {"BPFO": 3.0}
    envelope = found(modulated(75.0), envelope=True, shaft_hz=25.0, orders=orders)
    plain = found(modulated(75.0), envelope=False, shaft_hz=25.0, orders=orders)
    assert envelope.top_hz == pytest.approx(3.5 * 75.0)
    assert plain.top_hz == pytest.approx(RATE_HZ / 2, rel=0.01)


@pytest.mark.parametrize("width", [1, 10, 39, 400])
def test_columns_keep_the_peaks_however_few_they_are(width: int) -> None:
    spectrum = found(modulated(75.0), envelope=True)
    columns = spectrum.columns(width, top_hz=300.0)
    assert len(columns) == width
    top = round(300.0 / spectrum.resolution_hz)
    assert max(columns) == pytest.approx(spectrum.amplitude[1:top].max())


@pytest.mark.parametrize(
    "part",
    [
        burst(np.zeros(10)),
        burst(np.full(100, np.nan)),
        burst(np.ones(100), rate_hz=0.0),
        burst(np.ones(100), rate_hz=float("nan")),
    ],
)
def test_what_cannot_be_looked_at_is_none(part: WaveformPart) -> None:
    assert spectrum_of(part, envelope=True) is None


def test_silence_has_a_spectrum_without_lines_that_stand_out() -> None:
    spectrum = found(
        burst(np.zeros(4096)), envelope=True, shaft_hz=25.0, orders={"BPFO": 3.0}
    )
    assert not spectrum.lines[0].stands_out
    beyond = found(modulated(75.0), envelope=True, shaft_hz=1e6, orders={"BPFO": 3.0})
    assert not beyond.lines[0].stands_out
