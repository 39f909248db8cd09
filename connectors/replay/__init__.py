"""A historian export (CSV, Parquet) as a source: the same road, without a plant."""

from __future__ import annotations

from appliance.runtime.plugins import Connector
from connectors.replay.config import ReplaySettings

CONNECTOR = Connector(
    name="replay",
    settings=ReplaySettings,
    source_path="connectors.replay.source:ReplaySource",
)
