"""The smallest whole configuration with a stop: one initiator, one element."""

from __future__ import annotations

ONE_BY_ONE = """\
config_version = 1
[site]
id = "plant-7"
gateway = "gw-1"
[safety]
[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
tags = [{ id = "P-101/DE/vibration_rms", table = "input", address = 4 }]
points = [{ name = "permit", table = "coil", address = 0 }]
[[safety.initiators]]
id = "high vibration"
channels = ["P-101/DE/vibration_rms"]
setpoint = 7.1
cause = "Bearing damage"
consequence = "Seizure"
action = "Inspect the bearing"
[[safety.elements]]
id = "motor"
output = "plc"
point = "permit"
[safety.matrix]
"high vibration" = ["motor"]
"""
