"""A whole configuration to spoil."""

from __future__ import annotations

import pytest

WELL = """\
config_version = 1

[site]
id = "plant-7"
gateway = "gw-1"

[[sources]]
name = "skid"
connector = "modbus"
host = "127.0.0.1"

[[sources.tags]]
id = "P-101/flow"
table = "input"
address = 7
factor = 0.01

[[sources.tags]]
id = "P-101/DE/vibration_rms"
table = "input"
address = 4

[[assets]]
id = "P-101"
failure = { tag = "P-101/DE/vibration_rms", level = 7.1 }

[[alarms]]
tag = "P-101/DE/vibration_rms"
rule = "high"
setpoint = 4.5
on_delay_s = 2.0

[[alarms]]
tag = "P-101/anomaly_score"
rule = "score"

[safety]
mode = "observe"

[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"

[[safety.sources.tags]]
id = "P-101/DE/vibration_rms"
table = "input"
address = 4

[[safety.sources.points]]
name = "permit"
table = "coil"
address = 0

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


@pytest.fixture
def well() -> str:
    return WELL
