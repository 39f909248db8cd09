"""What the hub says of itself: to people, to `doctor`, to Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.acquisition.supervisor import SourceState
from appliance.hub.acts import storage_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.hub.gaps import GapRecorder
    from appliance.hub.latest import Latest
    from appliance.hub.pipeline import Pipeline
    from appliance.hub.recorder import EventRecorder
    from appliance.hub.sources import Sources
    from appliance.hub.timekeeping import ClockWatch
    from appliance.link.server import LinkServer
    from appliance.storage.store import BufferStore


@dataclass(frozen=True, slots=True)
class Status:
    """The parts that have something to say."""

    store: BufferStore
    sources: Sources
    pipeline: Pipeline
    latest: Latest
    recorder: EventRecorder
    gaps: GapRecorder
    server: LinkServer
    watch: ClockWatch
    processes: Callable[[], Mapping[str, Mapping[str, Any]]] = dict

    def tell(self) -> Mapping[str, Any]:
        """Return the answer to `status`."""
        states = self.sources.states
        return {
            "process": "hub",
            "epoch": self.store.epoch,
            "counters": self._counters(),
            "sources": {name: str(state) for name, state in states.items()},
            "source_details": self.sources.details(),
            "confirmed_ns": {
                group: each.utc_ns for group, each in self.latest.confirmed.items()
            },
            "storage": storage_status(self.store),
            "clock": dict(self.watch.status()),
        }

    def figures(self) -> Mapping[str, float]:
        """Return what Prometheus may know: counters, sources, the state of the disk."""
        connected = {
            f"source_connected_{name}": float(state is SourceState.CONNECTED)
            for name, state in self.sources.states.items()
        }
        healthy = {
            "storage_healthy": float(self.store.healthy),
            "clock_synchronised": float(self.watch.status()["synchronised"]),
        }
        models = figures_of_models(self.processes().get("inference", {}))
        return {**self._counters(), **connected, **healthy, **models}

    def _counters(self) -> dict[str, int]:
        return {
            **self.store.counters(),
            **self.pipeline.counters,
            **self.recorder.counters,
            **self.gaps.counters,
            "source_faults": self.sources.faults,
            "source_events_coalesced": self.sources.coalesced,
            **{f"link_{k}": v for k, v in self.server.counters.items()},
        }


def figures_of_models(status: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers that inference tells of its models, each by its name."""
    found: dict[str, float] = {}
    for asset, told in dict(status.get("telemetry") or {}).items():
        found |= {f"model_{key}_{asset}": float(each) for key, each in told.items()}
    drifted = status.get("drift") or {}
    for asset in status.get("models") or {}:
        found[f"model_drifted_{asset}"] = float(asset in drifted)
    if "memory_bytes" in status:
        found["inference_memory_bytes"] = float(status["memory_bytes"])
    return found
