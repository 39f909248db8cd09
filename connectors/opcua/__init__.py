"""OPC UA by subscription; reader and output for safety."""

from __future__ import annotations

from appliance.runtime.plugins import Connector
from connectors.opcua.config import OpcuaSettings

CONNECTOR = Connector(
    name="opcua",
    settings=OpcuaSettings,
    source_path="connectors.opcua.source:OpcuaSource",
    reader_path="connectors.opcua.reader:OpcuaReader",
    output_path="connectors.opcua.output:OpcuaOutput",
    probe_path="connectors.opcua.probe:OpcuaProbe",
    explorer_path="connectors.opcua.explorer:OpcuaExplorer",
)
