"""The state of safety as plain dicts, for a shell, the dashboard and the demo."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from appliance.safety.channel import Trust
from appliance.safety.claim import CLAIM
from appliance.safety.row import channels_of, margin_of, vote_of

if TYPE_CHECKING:
    from appliance.config import ElementSettings, InitiatorSettings
    from appliance.safety.journal import Journal
    from appliance.safety.latch import Latch
    from appliance.safety.maintenance import Handover
    from appliance.safety.row import RowState
    from appliance.safety.scan import Scan
    from appliance.safety.turn import Matrix


def status(
    matrix: Matrix, scan: Scan, journal: Journal, *, now_s: float, realtime: str
) -> dict[str, Any]:
    """Return everything that a person may want to know of safety."""
    state = scan.state
    tripped = [each for each in state.latches.values() if each.tripped]
    kept = scan.punctuality
    return {
        "process": "safety",
        "mode": "armed" if state.armed else "observe",
        "tripped": bool(tripped),
        "first_out": tripped[0].first_out if tripped else "",
        "elements": [
            _element(each, state.latches[each.id], scan) for each in matrix.elements
        ],
        "initiators": [
            _initiator(matrix, row, state.rows[row.id], now_s) for row in matrix.rows
        ],
        "scan": {
            "scans": kept.scans,
            "overruns": kept.overruns,
            "last_ms": 1000 * kept.last_s,
            "longest_ms": 1000 * kept.longest_s,
            "realtime": realtime or "SCHED_FIFO",
        },
        "heartbeat": scan.heartbeat,
        "maintenance": maintenance_of(state.handover, now_s),
        "journal": {
            "epoch": journal.epoch,
            "committed_seq": journal.committed_seq,
            "last_seq": journal.last_seq,
            "waiting": journal.waiting,
            "trouble": journal.trouble,
        },
        "claim": CLAIM,
    }


def maintenance_of(standing: Handover | None, now_s: float) -> dict[str, Any] | None:
    """Return the hand-over that stands, if any."""
    if standing is None:
        return None
    return {
        "phase": str(standing.phase),
        "by": standing.actor,
        "reason": standing.reason,
        "left_s": standing.until_s - now_s,
    }


def _element(element: ElementSettings, latch: Latch, scan: Scan) -> dict[str, Any]:
    if not latch.tripped:
        stop = ""
    elif latch.stopped:
        stop = "confirmed"
    else:
        stop = "failed" if latch.stop_failed else "pending"
    order = scan.orders.get(element.id)
    return {
        "id": element.id,
        "tripped": latch.tripped,
        "first_out": latch.first_out,
        "causes": list(latch.causes),
        "stop": stop,
        "heartbeat": bool(order and order.beat),
    }


def _initiator(
    matrix: Matrix, row: InitiatorSettings, state: RowState, now_s: float
) -> dict[str, Any]:
    bypass = state.bypass
    return {
        "id": row.id,
        "vote": str(vote_of(row)),
        "acting_vote": str(state.vote),
        "degraded": state.vote != vote_of(row),
        "state": word_of(state),
        "setpoint": row.setpoint,
        "margin": _number(margin_of(row, state)),
        "elements": list(matrix.stops.get(row.id, ())),
        "channels": [
            {
                "name": name,
                "trust": channel.word,
                "value": None if channel.good_at_s is None else channel.value,
                "measure": _number(channel.measure),
                "demanding": channel.exceeded,
            }
            for name, channel in zip(channels_of(row), state.channels, strict=True)
        ],
        "bypass": None
        if bypass is None
        else {
            "channel": bypass.channel,
            "by": bypass.actor,
            "reason": bypass.reason,
            "left_s": bypass.until_s - now_s,
        },
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def word_of(state: RowState) -> str:
    """Return the state of an initiator in a word."""
    if state.bypass is not None:
        return "bypassed"
    if state.demand:
        return "demand"
    if state.unproven_since_s is not None:
        return "on-delay"
    worst = {channel.trust for channel in state.channels}
    for trust in (Trust.BAD, Trust.LATE):
        if trust in worst:
            return str(trust)
    return "clear"
