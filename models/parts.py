"""The parts of an anomaly model by name: what a score may be made of."""

from __future__ import annotations

SHORT, T2, SPE, STILL = "short", "t2", "spe", "still"
NEIGHBOURS, FOREST, AUTOENCODER = "neighbours", "forest", "autoencoder"
DEFAULT_PARTS = (SHORT, T2, SPE, STILL)
"""What measured best (`docs/explanation/detection.md`)."""
ALL_PARTS = (*DEFAULT_PARTS, NEIGHBOURS, FOREST, AUTOENCODER)
"""In this order they stand in the output `detectors`."""
