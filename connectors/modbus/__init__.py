"""Modbus TCP, TLS, RTU and ASCII by poll; reader and output for safety."""

from __future__ import annotations

from appliance.runtime.plugins import Connector
from connectors.modbus.config import ModbusSettings

CONNECTOR = Connector(
    name="modbus",
    settings=ModbusSettings,
    source_path="connectors.modbus.source:ModbusSource",
    reader_path="connectors.modbus.reader:ModbusReader",
    output_path="connectors.modbus.output:ModbusOutput",
    probe_path="connectors.modbus.probe:ModbusProbe",
    explorer_path="connectors.modbus.explorer:ModbusExplorer",
)
