"""Feature tables of a made-up machine, and bundles learned from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from models.features import FeatureTable
from models.train.learn import learn
from models.train.settings import TagSettings, TrainingSettings

if TYPE_CHECKING:
    from models.bundle import Bundle

NAMES = tuple(
    f"P-1/{tag}:{each}"
    for tag in ("speed", "current", "pressure", "temperature")
    for each in ("mean", "std", "last", "range")
) + tuple(f"P-1/acceleration:{each}" for each in ("velocity_rms", "kurtosis", "bpfo"))
_CENTRE = np.array(
    [1480, 1, 1480, 4, 38, 0.1, 38, 0.5, 6, 0.02, 6, 0.1, 60, 0.1, 60, 0.3, 1.2, 3, 6]
)
_SPREAD = np.array(
    [
        *(1, 0.1, 1.2, 0.4, 0.1, 0.01, 0.12, 0.1, 0.01, 0.002, 0.012, 0.02),
        *(0.1, 0.01, 0.12, 0.05, 0.05, 0.15, 1.5),
    ]
)
_BURST = slice(16, None)


class MakeTable(Protocol):
    """Draws rows of a healthy machine; the same seed, the same rows."""

    def __call__(
        self, rows: int, *, seed: int = 0, overlap_rows: int = 4
    ) -> FeatureTable: ...


@pytest.fixture(scope="session")
def make_table() -> MakeTable:
    def make(rows: int, *, seed: int = 0, overlap_rows: int = 4) -> FeatureTable:
        """Neighbouring rows share noise as windows do; each has its own burst."""
        rng = np.random.default_rng(seed)
        count = rows + overlap_rows
        load = 0.4 * rng.normal(size=(count, 1)) * np.linspace(-1, 1, len(NAMES))
        noise = np.cumsum(rng.normal(size=(count, len(NAMES))) + load, axis=0)
        noise = np.vstack([np.zeros(len(NAMES)), noise])
        mean = (noise[overlap_rows + 1 :] - noise[: -overlap_rows - 1]) / np.sqrt(
            overlap_rows + 1
        )
        mean[:, _BURST] = rng.normal(size=mean[:, _BURST].shape)
        values = _CENTRE + _SPREAD * mean
        time_ns = 1_800_000_000_000_000_000 + 1_000_000_000 * np.arange(rows)
        return FeatureTable(NAMES, time_ns, values, np.ones_like(values))

    return make


@pytest.fixture(scope="session")
def settings() -> TrainingSettings:
    return TrainingSettings(
        asset="P-1",
        tags=(
            TagSettings("P-1/speed", "rpm", 0, 1800),
            TagSettings("P-1/current", "A", 0, 80),
            TagSettings("P-1/pressure", "bar", 0, 16),
            TagSettings("P-1/temperature", "degC", -20, 150),
            TagSettings("P-1/acceleration", "m/s2"),
        ),
        window_s=5.0,
        hop_s=1.0,
        kind="pump",
    )


@pytest.fixture(scope="session")
def bundle(make_table: MakeTable, settings: TrainingSettings) -> Bundle:
    return learn(make_table(25), settings)
