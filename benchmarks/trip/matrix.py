"""The matrix under test: as many functions as there are lanes, one heartbeat."""

from __future__ import annotations

from benchmarks.trip.plc import LANES

SCAN_S = 0.010
SETPOINT, FACTOR = 7.1, 0.001
CONFIG = """\
config_version = 1
[site]
id = "bench"
gateway = "gw-1"
[safety]
mode = "armed"
scan_period_s = {scan_s}
realtime_priority = {priority}
[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
port = {port}
{tags}
[[safety.sources.points]]
name = "heartbeat"
table = "holding"
address = 0
range = [0, 65535]
{rows}
[safety.matrix]
{matrix}
"""
LANE_TAG = """\
[[safety.sources.tags]]
id = "P-{lane}/DE/vibration_rms"
table = "input"
address = {lane}
factor = 0.001
range_low = 0.0
range_high = 50.0
[[safety.sources.points]]
name = "permit {lane}"
table = "coil"
address = {lane}
"""
LANE_ROW = """\
[[safety.initiators]]
id = "vibration {lane}"
channels = ["P-{lane}/DE/vibration_rms"]
setpoint = {setpoint}
max_age_s = 1.0
comms_loss_delay_s = 1.5
process_safety_time_s = 8.0
cause = "Bearing damage"
consequence = "Seizure"
action = "Inspect the bearing"
[[safety.elements]]
id = "motor {lane}"
output = "plc"
point = "permit {lane}"
{heartbeat}
"""


def configuration(port: int, priority: int) -> str:
    """Return the TOML: as many functions as there are lanes, one heartbeat."""
    lanes = range(LANES)
    return CONFIG.format(
        scan_s=SCAN_S,
        priority=priority,
        port=port,
        tags="".join(LANE_TAG.format(lane=lane) for lane in lanes),
        rows="".join(
            LANE_ROW.format(
                lane=lane,
                setpoint=SETPOINT,
                heartbeat="" if lane else 'heartbeat = "heartbeat"',
            )
            for lane in lanes
        ),
        matrix="\n".join(f'"vibration {n}" = ["motor {n}"]' for n in lanes),
    )
