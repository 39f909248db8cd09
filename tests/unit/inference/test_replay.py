"""The stored past gives the windows that were seen live."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.domain.batch import Waveform
from appliance.domain.sample import Quality
from appliance.domain.tag import Tag, TagId
from appliance.inference.replay import Past, healthy_table, windows_of
from models.features import AssetModel, Mode, Running

S = 1_000_000_000
FLOW, SPEED, BURST = TagId("P/flow"), TagId("P/speed"), TagId("P/acceleration")
START = 1_700_000_000 * S


def model(*, waveform: bool = False) -> AssetModel:
    return AssetModel(
        asset="P",
        tags=(Tag(FLOW),),
        window_s=4.0,
        hop_s=1.0,
        running=Running(SPEED, above=100.0, settle_s=2.0),
        waveform_tag=BURST if waveform else None,
    )


Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def rows(times_s: list[float], values: list[float], quality: int = 2) -> Rows:
    time_ns = np.array([START + round(each * S) for each in times_s], dtype=np.int64)
    return time_ns, np.array(values), np.full(len(values), quality, dtype=np.uint8)


def past(**changes: Rows) -> Past:
    found = {
        FLOW: rows([0.1 * each for each in range(200)], [50.0] * 200),
        SPEED: rows([5.0], [1480.0]),
    }
    found |= {TagId(f"P/{name}"): each for name, each in changes.items()}
    return Past(START, START + 20 * S, found)


def test_a_value_stored_once_holds_until_the_next_row() -> None:
    modes = [window.mode for window in windows_of(past(), model())]
    assert Mode.RUNNING in modes
    assert modes[-1] is Mode.RUNNING


def test_only_windows_of_the_running_machine_are_learned_from() -> None:
    table = healthy_table(past(), model())
    assert 0 < len(table.time_ns) < 16
    assert table.time_ns[0] >= START + 11 * S  # start + settling + a whole window
    assert table.values[:, table.names.index("P/flow:mean")] == pytest.approx(50.0)


def test_a_stored_loss_is_a_gap_in_the_window() -> None:
    time_ns, value, quality = rows([0.1 * each for each in range(200)], [50.0] * 200)
    quality[120:180] = Quality.BAD
    found = healthy_table(past(flow=(time_ns, value, quality)), model())
    coverage = found.coverage[:, found.names.index("P/flow:mean")]
    assert coverage.min() < 0.5
    assert coverage.max() == pytest.approx(1.0)


def test_bursts_of_the_past_reach_their_windows() -> None:
    sine = np.sin(2 * np.pi * 100 * np.arange(4096) / 10_240).astype(np.float32)
    bursts = [Waveform(77, START + each * S, 10_240.0, sine) for each in range(20)]
    found = past()
    heard = Past(found.from_ns, found.to_ns, found.rows, bursts)
    table = healthy_table(heard, model(waveform=True))
    rms = table.values[:, table.names.index("P/acceleration:rms")]
    assert rms == pytest.approx(np.sqrt(0.5), rel=1e-3)


def test_an_empty_past_gives_an_empty_table() -> None:
    nothing = Past(START, START + 20 * S, {FLOW: rows([], []), SPEED: rows([], [])})
    assert len(healthy_table(nothing, model()).time_ns) == 0
    assert len(list(windows_of(Past(START, START, {}), model()))) == 0
