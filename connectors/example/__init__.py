"""The template to copy: a text file of `key value` lines as a source.

This file is the connector's card. It is loaded to check a configuration, so it and
`config.py` import no protocol library and no numpy; `source_path` names the class
that is imported when the source is really wanted.
"""

from __future__ import annotations

from appliance.runtime.plugins import Connector
from connectors.example.config import ExampleSettings

CONNECTOR = Connector(
    name="example",
    settings=ExampleSettings,
    source_path="connectors.example.source:ExampleSource",
)
