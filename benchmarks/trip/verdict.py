"""What the times are worth: quantiles against their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.trip.matrix import SCAN_S
from benchmarks.trip.subjects import Bare, Ours

if TYPE_CHECKING:
    from benchmarks.trip.measure import Times

P99_OF_SCAN, P999_OF_BARE, P999_OF_SCAN = 1.15, 1.25, 2.0
ENOUGH_FOR_P999 = 2_000
QUANTILES = {"p99": 0.99, "p99.9": 0.999}


def figures(taken: Times, *, realtime: bool) -> list[dict[str, Any]]:
    """Return p99 and p99.9 of the states that were measured, against their targets."""
    loads = dict.fromkeys(load for _, load in taken)
    return [
        figure(taken, load, word, realtime=realtime)
        for load in loads
        for word in QUANTILES
    ]


def figure(taken: Times, load: str, word: str, *, realtime: bool) -> dict[str, Any]:
    """Return one figure; few demands or no real-time scheduling judge no tail."""
    ours, bare = taken[Ours.name, load], taken[Bare.name, load]
    mine, theirs = (quantile(each, QUANTILES[word]) for each in (ours, bare))
    limit, target = _target(word, load, theirs)
    judged = realtime and (word == "p99" or len(ours) >= ENOUGH_FOR_P999)
    return {
        "name": f"change to stop, {load}, {word}, ms",
        "ours": mine,
        "baseline": theirs,
        "baseline_name": Bare.name,
        "ratio": mine / theirs,
        "target": target,
        "met": mine <= limit if judged else None,
    }


def _target(word: str, load: str, bare_ms: float) -> tuple[float, str]:
    scan_ms = 1000 * SCAN_S
    if word == "p99":
        return P99_OF_SCAN * scan_ms, f"<= {P99_OF_SCAN} x the scan period"
    if load == "idle":
        return P999_OF_BARE * bare_ms, f"<= {P999_OF_BARE} x the bare loop"
    return P999_OF_SCAN * scan_ms, f"<= {P999_OF_SCAN:g} x the scan period"


def quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of sorted seconds, in milliseconds."""
    place = min(len(ordered) - 1, int(share * len(ordered)))
    return 1000 * ordered[place]
