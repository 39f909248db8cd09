"""What rows of every gateway say, as a dictionary for zstd. Frozen: see below.

Payloads of schema 2 can only be read with exactly these bytes. Who changes one of them
makes a new schema; a test holds their digest.
"""

from __future__ import annotations

PHRASES = (
    "linkbatchescountsegmentsemptyrollupgapacquisitionkilledquota"
    "the hub was not running"
    "system started the hub has started stopped config model activate version "
    " is activated deactivated retired rolled back 20261120T00"
    "recalled recorded told by whom until when for reason maintenance done begun"
    "\x00source\xa0\xafsource_lost\xb0source connected\xa9connected\xa4lostlost: "
    "source skid-modbus is connected is lost: source skid-opcua is connected"
    "the process has leftinference is connectedsafety is connected"
    " needs attention: is well again since channel cannot be reached "
    "audit mode armed observe is armed mode is bypass bypassed until by "
    " is bypassed expired reset is reset; it needs a start of its own"
    "\xa4mode\xaborigin_epoch\xaaorigin_seq\xa7elements\xa9initiator\xa7element"
    "\xa9setpoint\xa5value\xa8channels\xa4vote\xa3row\xa9condition\xa6detail"
    "safety demand  demands the stop demand_cleared  demands no longer"
    "safety stop_confirmed  has stopped is not confirmed heartbeat output_failed"
    "trip first_out  is stopped by power-up is stopped by  vibration high-high"
    "temperature winding bearing pressure suction discharge flow level position"
    "anomaly begin end  behaves unlike its learned normal, score "
    " of its limit; most of it from  is as learned\xa5score\xa5limit\xa5cause"
    "acceleration vibration_rms velocity current speed motor/DE/NDE/"
    "alarm active unacknowledged acknowledged cleared shelved returned latched"
    " is beyond its learned limit:  is high:  is low:  (setpoint ) mm/s degC bar rpm"
    " is stale: not confirmed since  is bad: quality  rises falls faster than "
    "\xa4rule\xa4high\xa3low\xa5stale\xa3bad\xa6source\xa6medium\xa8critical"
    "\xaconsequence\xa6action\xb0respond_within_s\xa2id\xa5state\xa6reason"
    "A fault may be growing Look at the contributing tags; plan an inspection"
    "The machine behaves unlike its learned normal"
    "/anomaly_score/health_index/remaining_useful_life_h_low"
    "/remaining_useful_life_h_high/anomaly/score"
).encode("latin-1")
