"""What must hold before a reset, and never trips. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config import ElementSettings, PermissiveSettings
    from appliance.safety.channel import Reading


def missing(
    element: ElementSettings, heard: Mapping[str, Reading], now_s: float
) -> Iterator[str]:
    """Yield, in words, each permissive of an element that is not proved now."""
    for permissive in element.permissives:
        why = _against(permissive, heard.get(permissive.tag), now_s)
        if why:
            yield f"permissive {permissive.tag} {why}"


def _against(
    permissive: PermissiveSettings, reading: Reading | None, now_s: float
) -> str:
    if reading is None or now_s - reading.at_s > permissive.max_age_s:
        return "is not known now"
    value = reading.sample.trusted_value
    if value is None:
        return "is bad"
    if permissive.holds(value):
        return ""
    return f"is {value:g}, must be {_wanted(permissive)}"


def _wanted(permissive: PermissiveSettings) -> str:
    words = []
    if permissive.above is not None:
        words.append(f"at least {permissive.above:g}")
    if permissive.below is not None:
        words.append(f"at most {permissive.below:g}")
    return " and ".join(words)
