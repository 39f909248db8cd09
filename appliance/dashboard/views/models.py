"""Models: which judges which asset, what is on the shelf, who did what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.dashboard.views.words import Items, Row, title
from appliance.dashboard.wording import day_and_time, fit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from appliance.dashboard.model import Plant

_ASSET = 14
_STATE = 12
_STATE_STYLE = {"active": "strong", "refused": "high"}


def judging_rows(plant: Plant, width: int) -> list[Row]:
    """Return what inference says: who judges, what is refused, what is missing."""
    told = inference_of(plant)
    rows = [title("who judges", width)]
    rows.extend(
        _line(str(asset), "judges", str(version), width)
        for asset, version in (told.get("models") or {}).items()
    )
    rows.extend(
        _line(str(asset), "shadow", str(version), width)
        for asset, version in (told.get("shadows") or {}).items()
    )
    rows.extend(
        _line(str(asset), "none", f"wheeltapper learn {asset}", width, "notice")
        for asset in told.get("without_model") or ()
    )
    rows.extend(
        _line(str(asset), "REFUSED", str(reason), width, "high")
        for asset, reason in (told.get("refused") or {}).items()
    )
    if len(rows) == 1:
        rows.append(((fit(" inference has not said yet", width), "label"),))
    return rows


def shelf_head(width: int) -> Row:
    """Return the head of the shelf's columns."""
    words = fit(" asset", _ASSET) + fit("state", _STATE) + "version"
    return ((fit(words, width), "label"),)


def shelf_items(plant: Plant, width: int) -> Items:
    """Return every version on the shelf."""
    versions = plant.shelf.versions

    def draw(place: int) -> Row:
        each = versions[place]
        return _line(
            each.asset, each.state, each.version, width,
            _STATE_STYLE.get(each.state, "label"),
        )  # fmt: skip

    return Items([version.key for version in versions], draw)


def act_rows(plant: Plant, width: int, zone: tzinfo | None) -> list[Row]:
    """Return who brought what into force, the newest first."""
    rows = [title("who did what", width)]
    if plant.shelf.trouble:
        rows.append(((fit(f" {plant.shelf.trouble}", width), "label"),))
    for act in plant.shelf.acts:
        before = f", before: {act.before}" if act.before else ""
        text = f"{act.act} {act.version} of {act.asset} by {act.actor}{before}"
        when = f" {day_and_time(act.utc_ns, zone)} "
        rows.append(((fit(when, 17), "label"), (fit(text, max(0, width - 17)), "")))
    if len(rows) == 1:
        rows.append(((fit(" nothing yet", width), "label"),))
    return rows


def inference_of(plant: Plant) -> Mapping[str, Any]:
    """Return inference's last word on itself."""
    found: Mapping[str, Any] = (plant.status.get("processes") or {}).get(
        "inference"
    ) or {}
    return found


def _line(asset: str, state: str, text: str, width: int, style: str = "") -> Row:
    return (
        (fit(f" {asset}", _ASSET - 1) + " ", "strong"),
        (fit(state, _STATE), style or "label"),
        (fit(text, max(0, width - _ASSET - _STATE)), style if style == "high" else ""),
    )
