"""What the units promise, read from them; and what systemd itself says of them."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from appliance.commands.layout import UNITS, Root, our_files, unit_folder

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = unit_folder()
PROCESSES = ("safety", "hub", "inference", "sync")
EXPOSURE_MAX = 2.0
Unit = dict[str, list[str]]

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(path: Path) -> Unit:
    """Return the values of each key, in order (systemd repeats keys)."""
    found: Unit = defaultdict(list)
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found[key.strip()].append(" ".join(value.split()))
    return found


@pytest.fixture(scope="module")
def units() -> dict[str, Unit]:
    return {
        name: settings(FOLDER / f"wheeltapper-{name}.service") for name in PROCESSES
    }


@pytest.fixture
def laid_out(tmp_path: Path) -> Path:
    """Return a root with the units in it and a program where they start one."""
    for file in our_files():
        Root(tmp_path).make(file)
    program = tmp_path / "opt/wheeltapper/venv/bin/wheeltapper"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def analyze(*words: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *words],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


# ------------------------------------------------------------- without systemd
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_started_with_its_configuration_and_places(
    units: dict[str, Unit], name: str
) -> None:
    (words,) = units[name]["ExecStart"]
    program, process, *rest = words.split()
    assert program == "/opt/wheeltapper/venv/bin/wheeltapper"
    assert process == name
    assert rest[::2] == ["-c", "--state-dir", "--run-dir"]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_watched_and_started_again(
    units: dict[str, Unit], name: str
) -> None:
    unit = units[name]
    assert unit["Type"] == ["exec" if name == "sync" else "notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert 0 < float(unit["WatchdogSec"][0]) <= 60
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    forgiven = {"sync": "0 78"}.get(name, "78")
    assert unit["RestartPreventExitStatus"] == [forgiven]


def test_every_process_has_a_user_of_its_own(units: dict[str, Unit]) -> None:
    users = [units[name]["User"][0] for name in PROCESSES]
    assert users == [f"wheeltapper-{name}" for name in PROCESSES]
    assert {units[name]["Group"][0] for name in PROCESSES} == {"wheeltapper"}


def test_safety_alone_may_ask_for_real_time(units: dict[str, Unit]) -> None:
    may = [name for name in PROCESSES if units[name]["RestrictRealtime"] != ["yes"]]
    with_limit = [name for name in PROCESSES if "LimitRTPRIO" in units[name]]
    callers = [
        name
        for name in PROCESSES
        if any("sched_setscheduler" in row for row in units[name]["SystemCallFilter"])
    ]
    assert may == with_limit == callers == ["safety"]


def test_sync_alone_may_leave_the_network_of_the_site(units: dict[str, Unit]) -> None:
    free = [name for name in PROCESSES if units[name]["IPAddressDeny"] != ["any"]]
    assert free == ["sync"]
    allowed = {
        address
        for name in PROCESSES
        for row in units[name]["IPAddressAllow"]
        for address in row.split()
    }
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}
    assert allowed == {"localhost", "link-local", *private}


def test_inference_has_no_network_at_all(units: dict[str, Unit]) -> None:
    unit = units["inference"]
    assert unit["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert unit["PrivateNetwork"] == ["yes"]
    assert not unit["IPAddressAllow"]


def test_no_process_writes_where_another_one_keeps_its_state(
    units: dict[str, Unit],
) -> None:
    written = [
        path
        for name in PROCESSES
        for row in units[name]["ReadWritePaths"]
        for path in row.split()
        if path != "/run/wheeltapper"
    ]
    assert len(written) == len(set(written))
    assert not any(a != b and a.startswith(f"{b}/") for a in written for b in written)


def test_who_is_asked_over_a_socket_can_see_who_asks(units: dict[str, Unit]) -> None:
    for name in ("safety", "hub"):
        assert units[name]["PrivateUsers"] == ["no"]


SANDBOX = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "SystemCallArchitectures": "native",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "LimitCORE": "0",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "UMask": "0027",
}


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_is_in_the_sandbox(units: dict[str, Unit], name: str) -> None:
    kept = {key: units[name][key] for key in SANDBOX}
    assert kept == {key: [value] for key, value in SANDBOX.items()}
    filters = units[name]["SystemCallFilter"]
    assert filters[:2] == ["@system-service", "~@privileged @resources"]


def test_safety_is_the_last_to_be_killed_and_is_not_restarted_with_the_others(
    units: dict[str, Unit],
) -> None:
    scores = {name: int(units[name]["OOMScoreAdjust"][0]) for name in PROCESSES}
    assert min(scores, key=scores.__getitem__) == "safety"
    together = [name for name in PROCESSES if units[name]["PartOf"]]
    assert together == ["hub", "inference", "sync"]


def test_the_target_wants_every_process() -> None:
    target = settings(FOLDER / "wheeltapper.target")
    wanted = {name for row in target["Wants"] for name in row.split()}
    assert wanted == {f"wheeltapper-{name}.service" for name in PROCESSES}


def test_nothing_is_needed_to_start_that_a_new_gateway_has_not(
    units: dict[str, Unit],
) -> None:
    for unit in units.values():
        assert not unit["LoadCredential"]
        assert not unit["EnvironmentFile"]


# ------------------------------------------------------------- by systemd itself
@needs_systemd
@pytest.mark.parametrize("name", PROCESSES)
def test_systemd_finds_little_exposure(name: str) -> None:
    unit = FOLDER / f"wheeltapper-{name}.service"
    analyze(
        "security",
        "--offline=true",
        f"--threshold={EXPOSURE_MAX * 10:.0f}",
        str(unit.resolve()),
    )


@needs_systemd
def test_systemd_finds_no_fault_in_the_units(laid_out: Path) -> None:
    assert not analyze("verify", f"--root={laid_out}", "wheeltapper.target")


@needs_systemd
@pytest.mark.parametrize("example", sorted((FOLDER / "examples").glob("*.conf")))
def test_systemd_finds_no_fault_in_an_example(laid_out: Path, example: Path) -> None:
    for line in example.read_text("utf-8").splitlines():
        if line.startswith("#   /etc/"):
            place = laid_out / line.removeprefix("#   /")
            assert place.name == example.name
            assert (laid_out / UNITS / place.parent.name.removesuffix(".d")).is_file()
            place.parent.mkdir(parents=True)
            shutil.copyfile(example, place)
    assert not analyze("verify", f"--root={laid_out}", "wheeltapper.target")


@needs_systemd
def test_systemd_would_find_a_fault(laid_out: Path) -> None:
    unit = laid_out / UNITS / "wheeltapper-hub.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchDogSec="))
    said = analyze("verify", f"--root={laid_out}", "wheeltapper.target")
    assert "WatchDogSec" in said


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is absent"
)
def test_the_users_of_the_units_and_folders_are_created(
    laid_out: Path, units: dict[str, Unit]
) -> None:
    (laid_out / "etc").mkdir()
    subprocess.run(
        ["systemd-sysusers", f"--root={laid_out}", "wheeltapper.conf"],
        capture_output=True,
        check=True,
    )
    passwd = (laid_out / "etc/passwd").read_text()
    assert all(f"{unit['User'][0]}:" in passwd for unit in units.values())
    sockets = (laid_out / "etc/group").read_text().partition("wheeltapper-sockets:")[2]
    members = sockets.splitlines()[0].split(":")[-1]
    assert set(members.split(",")) == {"wheeltapper-safety", "wheeltapper-hub"}
