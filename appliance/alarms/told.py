"""An explanation of a model: flat for the details of an event, and in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.domain.health import FAULT_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAGS_MAX = 5
_PLAIN = ("score", "health_index", "life_h", "life_low_h", "life_high_h")


def explained(explanation: Mapping[str, Any] | None) -> dict[str, str | int | float]:
    """Return the tags that contribute, how abnormal, since when, the likely fault.

    And the remaining life with its interval; what is not known is left out.
    """
    if explanation is None:
        return {}
    told: dict[str, Any] = {key: explanation.get(key) for key in _PLAIN}
    told["abnormal_since_ns"] = explanation.get("since_ns")
    tags = explanation.get("tags", ())[:_TAGS_MAX]
    told["contributing"] = "\n".join(
        f"{t['tag']} {100 * t['share']:.0f} %" for t in tags
    )
    for likely in explanation.get("likely", ())[:1]:
        told["likely_fault"] = likely["fault"]
        told["likely_confidence"] = likely["confidence"]
        told["evidence"] = likely["evidence"]
    return {key: value for key, value in told.items() if value not in {None, ""}}


def in_words(explanation: Mapping[str, Any] | None) -> str:
    """Return the essence as the end of a sentence; empty where nothing is known."""
    if explanation is None:
        return ""
    parts = [f"most of it from {each['tag']}" for each in explanation["tags"][:1]]
    faults = [each["fault"] for each in explanation.get("likely", ())[:1]]
    parts += [f"likely {FAULT_WORDS.get(fault, fault)}" for fault in faults]
    low_h, high_h = explanation.get("life_low_h"), explanation.get("life_high_h")
    if low_h is not None and high_h is not None:
        parts.append(f"{low_h:.3g} to {high_h:.3g} h of life left")
    elif low_h is not None:
        parts.append(f"{low_h:.3g} h of life left, or more")
    return "".join(f"; {part}" for part in parts)
