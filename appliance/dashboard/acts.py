"""Every act by its name in the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.alarm_acts import AlarmActs
from appliance.dashboard.asking import Asking
from appliance.dashboard.trip_acts import TripActs
from appliance.dashboard.upkeep_acts import UpkeepActs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.dashboard.app import Dashboard


def acts_of(app: Dashboard) -> Mapping[str, Callable[[], None]]:
    """Return what the keys of acts call."""
    asking = Asking(app)
    trips, alarms = TripActs(app, asking), AlarmActs(app, asking)
    upkeep = UpkeepActs(app, asking)
    return {
        "acknowledge": alarms.acknowledge,
        "shelve": alarms.shelve,
        "service": alarms.service,
        "verdict": alarms.verdict,
        "reset": trips.reset,
        "mode": trips.mode,
        "bypass": trips.bypass,
        "unbypass": trips.unbypass,
        "handover": trips.handover,
        "stop": trips.stop,
        "maintained": upkeep.maintained,
        "activate": upkeep.activate,
        "roll_back": upkeep.roll_back,
    }
