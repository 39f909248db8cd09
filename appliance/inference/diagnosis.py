"""The likely fault: one evaluator for the table of signatures. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.domain.health import LikelyFault
from appliance.inference.signatures import SIGNATURES
from models.features.lines import SIDES_DB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.inference.evidence import Evidence, Signature
    from models.features.zones import SeverityClass

NAMED = 0.25
"""A fault of lower confidence is not named."""
MOST = 3
"""No more faults than that are named: a technician goes and looks."""

_BARE = 0.7  # part of the confidence that needs no support
_LINES = ("outer", "inner", "element", "cage")
_TURNING = ("inner", "element")  # damage that turns through the load has side-bands
_UP = ("one_x", "two_x", "high_x")
_C_IS = 2.0  # reaching zone C counts as so many times the usual, where nothing is known


def likely_faults(
    symptoms: Mapping[str, float],
    *,
    severity: SeverityClass | None = None,
    table: Sequence[Signature] = SIGNATURES,
) -> tuple[LikelyFault, ...]:
    """Return the faults that the symptoms speak for, the likeliest first.

    `symptoms` are those of the window and their changes. Where nothing is known of
    what is usual, the zones of `severity` say how high a velocity is.
    """
    shown = {**symptoms, **_relations(symptoms, severity)}
    named: dict[str, LikelyFault] = {}
    for signature in table:
        confidence = confidence_of(signature, shown)
        before = named.get(signature.fault)
        if confidence >= NAMED and (before is None or confidence > before.confidence):
            named[signature.fault] = LikelyFault(
                signature.fault, confidence, _sentence(signature, shown)
            )
    ranked = sorted(named.values(), key=lambda each: -each.confidence)
    return tuple(ranked[:MOST])


def confidence_of(signature: Signature, symptoms: Mapping[str, float]) -> float:
    """Return how sure (0…1) a fault is; 0 where a need is unknown."""
    needed = [strength(each, symptoms) for each in signature.needs]
    if not all(each > 0.0 for each in needed):
        return 0.0
    confidence = min(needed)
    if signature.supports:
        support = [strength(each, symptoms) for each in signature.supports]
        known = [0.5 if math.isnan(each) else each for each in support]
        confidence *= _BARE + (1.0 - _BARE) * sum(known) / len(known)
    for each in signature.against:
        against = strength(each, symptoms)
        confidence *= 1.0 if math.isnan(against) else 1.0 - against
    return confidence


def strength(evidence: Evidence, symptoms: Mapping[str, float]) -> float:
    """Return where on its ramp (0…1) a symptom is; NaN where it is not known."""
    value = symptoms.get(evidence.of, math.nan)
    part = (value - evidence.nothing) / (evidence.all_of_it - evidence.nothing)
    return part if math.isnan(part) else min(max(part, 0.0), 1.0)


def _relations(
    symptoms: Mapping[str, float], severity: SeverityClass | None
) -> dict[str, float]:
    """Return what one symptom is in relation to others."""

    def of(name: str) -> float:
        return symptoms.get(name, math.nan)

    found = _leads(symptoms)
    one, two = of("one_x_mm_s"), of("two_x_mm_s")
    velocity = of("velocity_mm_s")
    share = _ratio(one * one, velocity * velocity)
    found |= {
        "one_share": share,
        "one_share_pct": 100.0 * share,
        "two_over_one": _ratio(two, one),
        "two_over_one_pct": 100.0 * _ratio(two, one),
        "high_over_one": _ratio(of("high_x_mm_s"), one),
        "half_over_all": _ratio(of("half_x_mm_s"), velocity),
        "blade_over_high": _ratio(of("blade_mm_s"), of("high_x_mm_s")),
        "high_over_two": _ratio(of("high_x_mm_s"), two),
        "sides_over_mesh": _ratio(of("mesh_sides_mm_s"), of("mesh_mm_s")),
    }
    by_zone = math.nan
    if severity is not None:
        by_zone = _C_IS * velocity / severity.boundaries.b_c
    for name in _UP:
        up = of(f"{name}_mm_s_ratio")
        found[f"{name}_up"] = by_zone if math.isnan(up) else up
    sides_up = of("mesh_sides_mm_s_ratio")
    found["mesh_sides_up"] = by_zone if math.isnan(sides_up) else sides_up
    return found


def _leads(symptoms: Mapping[str, float]) -> dict[str, float]:
    """Return how far each line of a bearing outdoes all others, and the stranger."""
    level = {
        name: symptoms.get(f"{name}_db", math.nan) for name in (*_LINES, "stranger")
    }
    for name in _TURNING:
        if not symptoms.get(f"{name}_sides_db", math.nan) >= SIDES_DB:
            level[name] = math.nan
    found = {}
    for name, own in level.items():
        others = [
            each
            for other, each in level.items()
            if other != name and math.isfinite(each)
        ]
        found[f"{name}_lead_db"] = own - max(others, default=0.0)
    lines = [level[name] for name in _LINES if math.isfinite(level[name])]
    found["bearing_db"] = max(lines, default=math.nan)
    known = [each for each in level.values() if math.isfinite(each)]
    found["blows_db"] = max(known, default=math.nan)
    return found


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else math.nan


def _sentence(signature: Signature, symptoms: Mapping[str, float]) -> str:
    """Return the evidence at hand as one sentence."""
    told = [each for each in signature.needs if each.words]
    told += [
        each
        for each in signature.supports
        if each.words and strength(each, symptoms) > 0.0
    ]
    words = "; ".join(each.words.format_map(_Known(symptoms)) for each in told)
    return words[:1].upper() + words[1:]


class _Known(dict[str, float]):
    """Symptoms for a sentence: what is not known is NaN there."""

    def __missing__(self, name: str) -> float:
        return math.nan
