"""Messages as the hub and safety send them."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.dashboard.model import HUB, SAFETY, Now, Plant
from appliance.domain.sample import Quality
from appliance.wire.messages import (
    BatchMessage,
    Hello,
    TagEntry,
    TextPart,
    WaveformPart,
)
from appliance.wire.samples import packed

START_NS = 1_790_000_000_000_000_000

NAMES = (
    "P-101/DE/vibration_rms",
    "P-101/motor/speed",
    "P-101/health_index",
    "P-101/anomaly_score",
    "P-101/anomaly",
    "P-101/remaining_useful_life_h",
    "P-101/remaining_useful_life_h_low",
    "P-101/remaining_useful_life_h_high",
    "T-101/level",
    "safety/trip",
    "P-101/DE/acceleration",
)
NUMBER = {name: number for number, name in enumerate(NAMES, start=1)}
DESCRIPTION: dict[str, Any] = {
    "site": "demo",
    "gateway": "gw",
    "assets": [
        {
            "id": "P-101",
            "kind": "pump",
            "description": "Feed pump",
            "waveform_tag": "P-101/DE/acceleration",
            "speed_tag": "P-101/motor/speed",
            "bearing_orders": {"BPFO": 3.0},
            "failure_tag": "P-101/DE/vibration_rms",
            "failure_level": 7.1,
            "derived_stale_after_s": 30.0,
        }
    ],
    "sources": [{"name": "skid", "connector": "opcua", "stale_after_s": 10.0}],
    "initiators": [
        {
            "id": "vibration",
            "engineering_units": "mm/s",
            "cause": "Bearing damage",
            "consequence": "Seizure",
            "action": "Do not restart",
        }
    ],
}


def at(seconds: float) -> Now:
    """Return the moment so long after the start, on both clocks."""
    return Now(1000.0 + seconds, START_NS + round(seconds * 1e9))


def batch(
    values: dict[str, float],
    *,
    at_s: float = 0.0,
    group: str = "skid.subscription",
    quality: Quality = Quality.GOOD,
    status: int = 0,
    confirms: bool = True,
    texts: dict[str, str] | None = None,
    waveform: bytes | None = None,
) -> BatchMessage:
    """Return a batch of named values."""
    count, now_ns = len(values), at(at_s).utc_ns
    burst = NUMBER["P-101/DE/acceleration"]
    return BatchMessage(
        tag=packed("I", [NUMBER.get(name, 99) for name in values]),
        source_time_ns=packed("q", [now_ns] * count),
        value=packed("d", list(values.values())),
        quality=packed("B", [int(quality)] * count),
        status=packed("I", [status] * count),
        receive_time_ns=now_ns,
        group=group,
        confirms=confirms,
        texts=tuple(
            TextPart(NUMBER[name], now_ns, text, 2, 0)
            for name, text in (texts or {}).items()
        ),
        waveforms=()
        if waveform is None
        else (WaveformPart(burst, now_ns, 10_240.0, waveform, 2, 0),),
    )


def alarm_row(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of msgpack
    """Return a row of `alarms.list`."""
    return {
        "id": "P-101/DE/vibration_rms:high",
        "tag": "P-101/DE/vibration_rms",
        "rule": "high",
        "priority": "high",
        "state": "active_unack",
        "active": True,
        "acknowledged": False,
        "value": 5.2,
        "setpoint": 4.5,
        "engineering_units": "mm/s",
        "changed_ns": START_NS,
        "actor": "",
        "cause": "Bearing damage",
        "consequence": "It will be stopped",
        "action": "Look at the spectrum",
        "respond_within_s": 3600.0,
        **changes,
    }


def guard_status(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - msgpack
    """Return safety's status: armed, nothing tripped."""
    return {
        "process": "safety",
        "mode": "armed",
        "tripped": False,
        "first_out": "",
        "elements": [
            {"id": "motor", "tripped": False, "first_out": "", "causes": [],
             "stop": "", "heartbeat": True}
        ],
        "initiators": [
            {
                "id": "vibration", "vote": "1oo1", "acting_vote": "1oo1",
                "state": "clear", "setpoint": 7.1, "margin": 5.9,
                "elements": ["motor"], "bypass": None,
                "channels": [{"name": "P-101/DE/vibration_rms", "trust": "good",
                              "value": 1.2, "demanding": False}],
            }
        ],
        "scan": {"scans": 4, "overruns": 0, "last_ms": 1.0, "longest_ms": 2.0},
        "journal": {"trouble": ""},
        "claim": "not certified",
        **changes,
    }  # fmt: skip


def tripped_status(first_out: str = "vibration", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return safety's status after a trip."""
    element = {"id": "motor", "tripped": True, "first_out": first_out,
               "causes": [first_out], "stop": "confirmed"}  # fmt: skip
    return guard_status(tripped=True, first_out=first_out, elements=[element | changes])


@pytest.fixture
def plant() -> Plant:
    """A plant that is linked, described, healthy and guarded."""
    found = Plant()
    tags = tuple(TagEntry(number, name, "mm/s") for name, number in NUMBER.items())
    found.take_hello(HUB, Hello(1, "hub", "epoch", tags), at(0))
    found.take_hello(SAFETY, Hello(1, "safety", "epoch"), at(0))
    found.take_answer("describe", DESCRIPTION, at(0))
    found.take_answer("status", guard_status(), at(0))
    found.take_answer("alarms.list", [], at(0))
    found.take_batch(
        batch({"P-101/DE/vibration_rms": 1.2, "P-101/motor/speed": 1480.0}), at(0)
    )
    found.take_batch(batch({"T-101/level": 50.0}), at(0))
    healthy = {"P-101/health_index": 0.98, "P-101/anomaly_score": 0.4}
    found.take_batch(
        batch({**healthy, "P-101/anomaly": 0.0}, group="inference.P-101"), at(0)
    )
    return found
