"""What this stop is, and what it is not: said wherever somebody arms it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.safety.degradation import degradation
from appliance.safety.row import vote_of

if TYPE_CHECKING:
    from appliance.safety.logic import Matrix

CLAIM = (
    "This is an equipment-protection stop request in the control layer, fail-safe by"
    " design, its response time measured. It is not a safety instrumented system, has"
    " no SIL or PL, and is not an emergency stop. The PLC must stay able to stop the"
    " machine alone, and must watch the heartbeat."
)
STANDING_DOWN = (
    "Mode is observe: nothing is written any more, and neither is the heartbeat. The"
    " PLC's watchdog stops the machine."
)


def said_at_arming(matrix: Matrix) -> list[str]:
    """Return the claim and what stops what, in lines for a log."""
    rows = [
        f"{row.id} ({vote_of(row)}) stops {', '.join(matrix.stops.get(row.id, ()))}"
        for row in matrix.rows
    ]
    return [CLAIM, *rows]


def matrix_rows(matrix: Matrix) -> list[dict[str, Any]]:
    """Return the cause-and-effect matrix as plain rows, for people and machines."""
    return [
        {
            "id": row.id,
            "source": row.source,
            "channels": list(row.channels),
            "condition": row.condition,
            "setpoint": row.setpoint,
            "setpoint_low": row.setpoint_low,
            "deadband": row.deadband,
            "on_delay_s": row.on_delay_s,
            "vote": str(vote_of(row)),
            "bad_is": row.bad_is,
            "degradation": degradation(row),
            "elements": list(matrix.stops.get(row.id, ())),
            "cause": row.cause,
            "consequence": row.consequence,
            "action": row.action,
        }
        for row in matrix.rows
    ]
