"""System: processes, sources, buffer, uplink, machine, certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.dashboard.model import HUB, SAFETY, STATUS_OLD_S
from appliance.dashboard.standing import SYMBOLS
from appliance.dashboard.views.models import inference_of
from appliance.dashboard.views.words import Items, Row, title
from appliance.dashboard.wording import fit, number, size, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.dashboard.model import Now, Plant

INFERENCE = "inference"
_NAME = 13
_FAULTS_SHOWN = 3
_LEAST_FREE_BYTES = 200_000_000
_HEAVY_LOAD = 1.5
_NEARLY_FULL = 0.9
_DAY_S = 86_400.0
_RENEW_DAYS, _ENDS_DAYS = 30.0, 7.0


def process_rows(plant: Plant, width: int, now: Now) -> list[Row]:
    """Return our four processes and the sources."""
    rows = [title("processes", width)]
    for name in (HUB, SAFETY):
        link = plant.links[name]
        text = "answers" if link.up else f"does not answer: {link.why}"
        since = "" if link.since_s is None else f" ({span(now.s - link.since_s)})"
        rows.append(_named(name, text + since, width, "" if link.up else "unknown"))
    told: Mapping[str, Any] = plant.status.get("processes") or {}
    linked = (plant.status.get("sources") or {}).get(INFERENCE) == "connected"
    rows.append(_inference(told.get(INFERENCE), width, linked=linked))
    rows.append(_sync(told.get("sync"), width))
    scan = plant.guard.scan
    if scan:
        text = (
            f"{number(scan.get('last_ms'), 2)} ms, longest"
            f" {number(scan.get('longest_ms'), 3)} ms"
        )
        if scan.get("overruns"):
            text += f", {scan['overruns']} late"
        rows.append(_named("safety scan", text, width, "label"))
    rows.append(title("sources", width))
    details: Mapping[str, Any] = plant.status.get("source_details") or {}
    for name, state in (plant.status.get("sources") or {}).items():
        age = _group_age(plant, name, now)
        own: Mapping[str, Any] = details.get(name) or {}
        early = name == INFERENCE and not inference_of(plant).get("models")
        if early and state != "connected":
            rows.append(_named(name, "not yet: no model", width, "label"))
            continue
        well = state in {"connected", "ended"}
        error = "" if well or not own.get("error") else f": {own['error']}"
        text, style = f"{state}{age}{error}", "" if well else "high"
        rows.append(_named(name, text, width, style))
        rows.extend(_faults(own.get("diagnostics") or (), width))
    return _aged(rows, plant, width, now)


def buffer_rows(plant: Plant, width: int, now: Now) -> list[Row]:
    """Return buffer, uplink and models."""
    storage: Mapping[str, Any] = plant.status.get("storage") or {}
    usage: Mapping[str, Any] = storage.get("usage") or {}
    counters: Mapping[str, int] = plant.status.get("counters") or {}
    rows = [title("buffer", width)]
    healthy = storage.get("healthy", True)
    words = "healthy" if healthy else f"TROUBLE: {storage.get('last_error')}"
    rows.append(_named("disk", words, width, "" if healthy else "high"))
    rows.extend(_fill(plant, usage, width))
    read, stored = counters.get("samples_read", 0), counters.get("samples_stored", 0)
    rejected = counters.get("samples_rejected", 0)
    rows.append(_named("samples", f"{read} read, {stored} stored", width))
    rows.append(
        _named(
            "",
            f"{rejected} rejected, {counters.get('samples_in_flight', 0)} on the way",
            width,
            "notice" if rejected else "",
        )
    )
    rows.append(title("uplink", width))
    rows.extend(_uplink(plant, width, now))
    rows.append(title("models", width, "7"))
    rows.extend(_models(plant, width))
    rows.extend(machine_rows(plant, width, now))
    return rows


def items_of(rows: Sequence[Row]) -> Items:
    """Return rows as items, so that a column that is too long can be walked."""
    return Items([str(place) for place in range(len(rows))], rows.__getitem__)


def machine_rows(plant: Plant, width: int, now: Now) -> list[Row]:
    """Return disk, processor, memory and certificates of the gateway itself."""
    told = plant.machine
    rows = [title("machine", width)]
    if not told:
        return [*rows, _named("", "not known yet", width, "label")]
    free, whole = told.get("disk_free_bytes"), told.get("disk_bytes")
    if free is not None and whole:
        scarce = free < _LEAST_FREE_BYTES
        text = f"{size(free)} free of {size(whole)}"
        rows.append(_named("disk", text, width, "high" if scarce else ""))
    load, cores = told.get("load_1min"), told.get("cores") or 1
    if load is not None:
        busy = told.get("busy")
        text = "" if busy is None else f"{100 * busy:.0f} % busy, "
        text += f"load {load:.1f}/{cores}"
        rows.append(_named("processor", text, width, _heavy(load / cores)))
    available = told.get("memory_available_bytes")
    if available is not None:
        text = f"{size(available)} free of {size(told.get('memory_bytes') or 0)}"
        rows.append(_named("memory", text, width))
    rows.append(title("certificates", width))
    rows.extend(_certificates(told.get("certificates") or (), width, now))
    return rows


def _faults(told: Sequence[Mapping[str, Any]], width: int) -> list[Row]:
    """Return what a source says is wrong with itself, as far as there is room."""
    rows = [
        _named(
            f" {SYMBOLS.get(str(each.get('priority')), '?')}",
            str(each.get("message")),
            width,
            str(each.get("priority")),
        )
        for each in told[:_FAULTS_SHOWN]
    ]
    if len(told) > _FAULTS_SHOWN:
        rows.append(_named("", f"and {len(told) - _FAULTS_SHOWN} more", width, "label"))
    return rows


def _named(name: str, text: str, width: int, style: str = "") -> Row:
    return ((fit(f" {name}", _NAME), "label"), (fit(text, width - _NAME), style))


def _inference(told: Mapping[str, Any] | None, width: int, *, linked: bool) -> Row:
    if told is None:
        return _named("inference", "has not reported yet", width, "notice")
    modes = told.get("modes") or {}
    words = ", ".join(f"{asset} {mode}" for asset, mode in modes.items())
    if not linked:
        waits = "works, waits for a model" if not told.get("models") else "lost"
        return _named("inference", waits, width, "notice")
    return _named("inference", f"works; {words}" if words else "works", width)


def _sync(told: Mapping[str, Any] | None, width: int) -> Row:
    if told is None:
        return _named("sync", "has not reported yet", width, "notice")
    return _named(
        "sync", f"uplink {told.get('uplink')}, MQTT {told.get('mqtt')}", width
    )


def _fill(plant: Plant, usage: Mapping[str, Any], width: int) -> list[Row]:
    """Return how full the buffer is, and when it will be: then the oldest goes."""
    if not usage:
        return [_named("used", "not measured yet", width)]
    used = float(usage.get("used_bytes", 0))
    quota = plant.machine.get("quota_bytes")
    if not quota:
        return [_named("used", size(used), width)]
    text = f"{size(used)} of {size(quota)}, {100 * used / quota:.0f} %"
    rows = [_named("used", text, width)]
    full_s = plant.machine.get("full_in_s")
    if used > _NEARLY_FULL * quota:
        rows.append(_named("full", "the oldest makes room", width))
    elif full_s is not None:
        rows.append(_named("full in", span(full_s), width))
    return rows


def _uplink(plant: Plant, width: int, now: Now) -> list[Row]:
    streams = [row for row in plant.outbox.values() if isinstance(row, dict)]
    if not streams:
        return [_named("outbox", "not known yet", width, "label")]
    total = {
        name: sum(int(row.get(name) or 0) for row in streams)
        for name in ("pending", "delivered", "declared_gaps", "pending_bytes")
    }
    oldest = [row["oldest_ns"] for row in streams if row.get("oldest_ns")]
    waiting = f"{total['pending']} rows, {size(total['pending_bytes'])}"
    age = []
    if oldest and total["pending"]:
        since = span((now.utc_ns - min(oldest)) / 1e9)
        age.append(_named("the oldest", f"for {since}", width))
    gaps = total["declared_gaps"]
    return [
        _named("waiting", waiting, width),
        *age,
        *_road(plant, width, pending=total["pending"]),
        _named("delivered", f"{total['delivered']} rows", width),
        _named("given up", f"{gaps} rows", width, "high" if gaps else ""),
    ]


def _road(plant: Plant, width: int, *, pending: int) -> list[Row]:
    """Return when the backlog is gone, what it waits for, and what is wrong there."""
    told: Mapping[str, Any] = (plant.status.get("processes") or {}).get("sync") or {}
    link: Mapping[str, Any] = told.get("link") or {}
    drain_s, waits = told.get("drain_s"), link.get("waits_for")
    rows = []
    if pending and drain_s is not None:
        rows.append(_named("gone in", f"{span(drain_s)} at the speed of now", width))
    if waits:
        rows.append(_named("waits", str(waits), width, "label"))
    rows.extend(_faults(told.get("diagnostics") or (), width))
    return rows


def _models(plant: Plant, width: int) -> list[Row]:
    told = inference_of(plant)
    rows = [
        _named(str(asset), f"version {version} judges", width)
        for asset, version in (told.get("models") or {}).items()
    ]
    rows.extend(
        _named(str(asset), "no model: learn one", width, "notice")
        for asset in told.get("without_model") or ()
    )
    rows.extend(
        _named(str(asset), f"refused: {reason}", width, "high")
        for asset, reason in (told.get("refused") or {}).items()
    )
    return rows or [_named("", "none known", width, "label")]


def _certificates(told: Sequence[Mapping[str, Any]], width: int, now: Now) -> list[Row]:
    """Return the certificates in use, the one that ends first on top."""
    rows = []
    for each in sorted(told, key=lambda row: int(row.get("ends_ns") or 0)):
        days = (int(each.get("ends_ns") or 0) - now.utc_ns) / 1e9 / _DAY_S
        text = f"{each.get('place')}: {each.get('subject')}"
        if days < 0:
            end, style = "ENDED", "high"
        else:
            style = "high" if days < _ENDS_DAYS else ""
            style = style or ("notice" if days < _RENEW_DAYS else "")
            end = f"{days:.0f} d left"
        rows.append(_named(end, text, width, style))
    return rows or [_named("", "none", width, "label")]


def _heavy(load_per_core: float) -> str:
    return "notice" if load_per_core > _HEAVY_LOAD else ""


def _group_age(plant: Plant, source: str, now: Now) -> str:
    groups: Mapping[str, int] = plant.status.get("confirmed_ns") or {}
    own = [ns for name, ns in groups.items() if name.rsplit(".", 1)[0] == source]
    own += [ns for name, ns in groups.items() if name == source]
    if not own:
        return ""
    return f", {span((now.utc_ns - max(own)) / 1e9)} ago"


def _aged(rows: list[Row], plant: Plant, width: int, now: Now) -> list[Row]:
    told_s = plant.status_at_s
    if told_s is None or now.s - told_s <= STATUS_OLD_S:
        return rows
    text = f" all of this is {span(now.s - told_s)} old"
    return [rows[0], ((fit(text, width), "unknown"),), *rows[1:]]
