"""`wheeltapper doctor`: one page — what runs, what is wrong, what to do."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from appliance.commands.common import (
    add_config,
    add_json,
    add_places,
    ask,
    say,
    say_json,
    table,
)
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL, CommandError
from appliance.config import ConfigError, load_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from appliance.config import Config

LEAST_FREE_BYTES = 200_000_000
PROCESSES = ("safety", "inference")
SLOW_MS = 500.0
"""A window that takes half of the shortest usual hop leaves no room for others."""


class Grade(StrEnum):
    """How a finding is to be taken."""

    WELL = "well"
    LOOK = "look"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page; `action` is empty where all is well."""

    grade: Grade
    subject: str
    text: str
    action: str = ""


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    add_config(parser)
    add_places(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the page; exit 1 if anything is wrong."""
    findings = tuple(_findings(args))
    if args.json:
        say_json([asdict(each) for each in findings])
    else:
        rows = ((each.grade, each.subject, each.text) for each in findings)
        say(table(("", "WHAT", "FINDING"), rows))
        todo = [each for each in findings if each.action]
        if todo:
            say("")
            say("What to do:")
        for number, each in enumerate(todo, start=1):
            say(f"{number:3}. {each.subject}: {each.action}")
    wrong = any(each.grade is Grade.WRONG for each in findings)
    return EXIT_FINDING if wrong else EXIT_WELL


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    config = None
    try:
        config = load_config(args.config)
        yield Finding(Grade.WELL, "configuration", str(args.config))
    except ConfigError as error:
        count = len(error.problems)
        action = f"wheeltapper check {args.config}"
        text = f"{count} mistake{'s' if count > 1 else ''}"
        yield Finding(Grade.WRONG, "configuration", text, action)
    yield from of_disk(args.state_dir)
    hub = _status(args.run_dir / "hub.sock")
    yield from of_hub(hub)
    if config is None or config.initiators:
        yield from of_safety(_status(args.run_dir / "safety.sock"))
    if hub is not None:
        yield from of_processes(hub["processes"], config)


def _status(socket: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = ask(socket, "status")
    except CommandError:
        return None
    return found


def of_disk(state_dir: Path) -> Iterator[Finding]:
    """Judge the space below the state directory."""
    if not state_dir.is_dir():
        action = "start the hub once, or give --state-dir"
        yield Finding(Grade.WRONG, "state", f"{state_dir} does not exist", action)
        return
    free_bytes = shutil.disk_usage(state_dir).free
    text = f"{free_bytes / 1e9:.1f} GB free below {state_dir}"
    if free_bytes < LEAST_FREE_BYTES:
        action = "free space, or lower storage.quota_bytes"
        yield Finding(Grade.WRONG, "disk", text, action)
    else:
        yield Finding(Grade.WELL, "disk", text)


def of_hub(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Judge the hub, its sources and its buffer."""
    if status is None:
        yield _absent("hub", "nothing is read, stored or shown")
        return
    yield Finding(Grade.WELL, "hub", f"runs, buffer {status['epoch']}")
    details = status.get("source_details", {})
    for name, state in status["sources"].items():
        if name not in PROCESSES:  # those are judged below, by their own word
            yield from _of_source(name, str(state), details.get(name, {}))
    counters = status["counters"]
    kept = ("samples_stored", "samples_rejected", "samples_in_flight")
    if counters["samples_read"] != sum(counters[key] for key in kept):
        action = "wheeltapper buffer verify; report it"
        yield Finding(Grade.WRONG, "conservation", "samples are missing", action)
    storage = status["storage"]
    if storage["healthy"]:
        text = f"{counters['samples_stored']} samples stored"
        yield Finding(Grade.WELL, "buffer", text)
    else:
        action = "free space or mend the disk; the newest wait in memory"
        yield Finding(Grade.WRONG, "buffer", storage["last_error"], action)
    yield from _of_clock(status.get("clock", {}))
    pending = counters["outbox_pending"]
    yield Finding(Grade.WELL, "outbox", f"{pending} rows wait for the fleet")


def _of_clock(clock: Mapping[str, Any]) -> Iterator[Finding]:
    """Say where nobody vouches for the time; what is stored is dated later."""
    if clock and not clock["synchronised"]:
        text = "no time service vouches for it; times are corrected once one does"
        action = "allow NTP, or set a time server (timedatectl)"
        yield Finding(Grade.LOOK, "clock", text, action)


def _of_source(name: str, state: str, told: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge a source: its state, its last error, what it says of itself."""
    subject, faults = f"source {name}", told.get("diagnostics", ())
    if state in {"connected", "ended"}:
        yield Finding(Grade.WELL, subject, state)
    else:
        error = f": {told['error']}" if told.get("error") else ""
        action = "check the device, its address and the network"
        explained = any(fault["key"] == "connection" for fault in faults)
        yield Finding(
            Grade.WRONG, subject, f"{state}{error}", "" if explained else action
        )
    for fault in faults:
        grade = Grade.LOOK if fault["priority"] == "low" else Grade.WRONG
        yield Finding(
            grade, f"{subject}: {fault['key']}", fault["message"], fault["remedy"]
        )


def of_safety(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Judge the safety process: mode, trip, scan, journal."""
    if status is None:
        yield _absent(
            "safety", "no stop can be requested; the PLC acts on the heartbeat"
        )
        return
    if status["mode"] == "armed":
        yield Finding(Grade.WELL, "safety", "armed")
    else:
        action = "arm it when commissioned: wheeltapper trips mode armed"
        yield Finding(Grade.LOOK, "safety", "observes and never writes", action)
    if status["tripped"]:
        action = "mend the cause, then: wheeltapper trips reset; start at the panel"
        text = f"tripped, first-out {status['first_out']}"
        yield Finding(Grade.LOOK, "trip", text, action)
    for row in status["initiators"]:
        if row["state"] in {"bad", "late"}:
            action = "check its transmitter and connection"
            yield Finding(
                Grade.WRONG, row["id"], f"a channel is {row['state']}", action
            )
        elif row["state"] == "bypassed":
            action = "remove the bypass as soon as the work is done"
            yield Finding(Grade.LOOK, row["id"], "bypassed", action)
    scan = status["scan"]
    if scan["overruns"]:
        text = f"{scan['overruns']} of {scan['scans']} scans were late"
        action = "allow real-time scheduling: safety.realtime_priority"
        yield Finding(Grade.LOOK, "scan", text, action)
    if status["journal"]["trouble"]:
        action = "free space or mend the disk; stops still work"
        yield Finding(Grade.WRONG, "journal", status["journal"]["trouble"], action)


def of_processes(
    processes: Mapping[str, Mapping[str, Any]], config: Config | None
) -> Iterator[Finding]:
    """Judge what inference and sync said of themselves last."""
    if config is None or config.assets:
        yield from _of_inference(processes.get("inference"))
    if config is not None and config.uplink is not None:
        yield from _of_sync(processes.get("sync"))


def _of_inference(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    if status is None:
        yield _absent("inference", "no score, health or remaining life")
        return
    yield Finding(Grade.WELL, "inference", "runs")
    for asset, version in status["models"].items():
        yield Finding(Grade.WELL, f"model of {asset}", version)
    yield from _of_models_at_work(status)
    for asset in status["without_model"]:
        action = f"let it run healthy for a while, then: wheeltapper learn {asset}"
        yield Finding(Grade.LOOK, f"model of {asset}", "none", action)
    for asset, reason in status["refused"].items():
        action = f"wheeltapper models rollback {asset}"
        yield Finding(Grade.WRONG, f"model of {asset}", reason, action)


def _of_models_at_work(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge how models run, and what they say should be seen to."""
    for asset, told in status.get("telemetry", {}).items():
        took_ms = told.get("took_ms_p99", 0.0)
        if took_ms > SLOW_MS:
            text = f"one window in a hundred takes {took_ms:.0f} ms or more"
            action = "fewer tags or features, a longer hop_s, or a faster machine"
            yield Finding(Grade.LOOK, f"model of {asset}: speed", text, action)
    for provider in status.get("providers_absent", ()):
        text = f"onnxruntime has no {provider} here; the next one runs the models"
        action = "take it out of inference.providers, or install its onnxruntime"
        yield Finding(Grade.LOOK, "inference: providers", text, action)
    for fault in status.get("diagnostics", ()):
        subject = f"inference: {fault['key']}"
        yield Finding(Grade.LOOK, subject, fault["message"], fault["remedy"])


def _of_sync(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    if status is None:
        yield _absent("sync", "nothing leaves; the outbox waits")
    elif status["uplink"] == "connected":
        yield Finding(Grade.WELL, "uplink", f"connected ({status['mqtt']})")
    else:
        action = "none needed if the link is down on purpose; else check [uplink]"
        yield Finding(Grade.LOOK, "uplink", str(status["uplink"]), action)
    for fault in (status or {}).get("diagnostics", ()):
        subject = f"uplink: {fault['key']}"
        yield Finding(Grade.LOOK, subject, fault["message"], fault["remedy"])


def _absent(name: str, effect: str) -> Finding:
    action = f"systemctl status wheeltapper-{name}; journalctl -u wheeltapper-{name}"
    return Finding(Grade.WRONG, name, f"does not answer: {effect}", action)
