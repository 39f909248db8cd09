"""The .deb: built, installed without a network, run, upgraded, removed, purged.

In a scratch root, by dpkg itself. Where we are root, every process runs as the user
that its unit names, so that users, modes and roles are tried as on a gateway.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
WITHIN_S = 90.0
SOURCES = ("appliance", "connectors", "models", "fleet", "sim_plant", "systemd")
FILES = ("pyproject.toml", "requirements.lock", "README.md", "LICENSE", "CHANGELOG.md")
STATE = {"safety": "wheeltapper-safety", "sync": "wheeltapper-sync"}
PROCESSES = ("safety", "hub", "inference", "sync")
UPLINK = '\n[uplink]\nhost = "127.0.0.1"\nport = 9\ntls = false\n'


def cannot_install() -> str:
    """Return why a .deb cannot be tried on this machine, or nothing."""
    if shutil.which("dpkg-deb") is None or shutil.which("dpkg") is None:
        return "dpkg is not installed"
    if shutil.which("systemd-sysusers") is None:
        return "systemd-sysusers is not installed"
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    script = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [SYSTEM_PYTHON, "-c", script], capture_output=True, check=False, text=True
        )
    except OSError:
        return f"there is no {SYSTEM_PYTHON}"
    if done.stdout.strip() != here:
        return f"{SYSTEM_PYTHON} with venv is not the {here} that the wheels are for"
    return ""


WHY_NOT = cannot_install()
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can"),
]


# ------------------------------------------------------------------ the packages
def built(sources: Path, output: Path) -> Path:
    subprocess.run(
        [
            sys.executable,
            str(sources / "packaging/build_deb.py"),
            *("--output", str(output)),
            *("--wheelhouse", str(ROOT / "build/wheelhouse")),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        timeout=500,
    )
    (package,) = output.glob("*.deb")
    return package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def next_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the same sources as the version after."""
    copy = tmp_path_factory.mktemp("sources")
    no_caches = shutil.ignore_patterns("__pycache__")
    for name in (*SOURCES, "packaging"):
        shutil.copytree(ROOT / name, copy / name, ignore=no_caches)
    for name in FILES:
        shutil.copyfile(ROOT / name, copy / name)
    project = copy / "pyproject.toml"
    text, changed = re.subn(
        r'(?m)^version = ".*"$', 'version = "99.1"', project.read_text(), count=1
    )
    assert changed
    project.write_text(text)
    return built(copy, tmp_path_factory.mktemp("next-deb"))


# ------------------------------------------------------------------ the gateway
# The users are the scratch root's: the kernel's numbers get their names from there.
AS_USER = """
mount --bind "$1/etc/passwd" /etc/passwd
mount --bind "$1/etc/group" /etc/group
user="$2"
shift 2
umask 0027
exec setpriv --reuid "$user" --regid wheeltapper --init-groups "$@"
"""


def allowed(*words: str) -> bool:
    """Say whether the kernel lets us have a namespace."""
    try:
        subprocess.run([*words, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def without_network() -> tuple[str, ...]:
    """Return the words that take the network away, where we may."""
    words = ("unshare", "--net")
    return words if allowed(*words) else ()


@dataclass(frozen=True)
class Gateway:
    """A scratch root."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "opt/wheeltapper"

    @property
    def config(self) -> Path:
        return self.root / "etc/wheeltapper/wheeltapper.toml"

    def state(self, process: str) -> Path:
        return self.root / "var/lib" / STATE.get(process, "wheeltapper")

    def dpkg(self, *words: str) -> str:
        nowhere = "http://127.0.0.1:9"
        done = subprocess.run(
            [
                *without_network(),
                *("dpkg", f"--root={self.root}", f"--log={self.root}/dpkg.log"),
                *("--force-script-chrootless", "--force-depends", "--force-not-root"),
                "--force-unsafe-io",
                *words,
            ],
            capture_output=True,
            check=False,
            text=True,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "PIP_NO_INDEX": "1",
                "http_proxy": nowhere,
                "https_proxy": nowhere,
            },
            timeout=500,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [self.home / "venv/bin/wheeltapper", *words],
            capture_output=True,
            check=False,
            text=True,
            timeout=WITHIN_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def as_its_user(self, process: str) -> tuple[str, ...]:
        """Return the words that run a command as its unit would, if we may."""
        if os.geteuid() != 0 or not allowed("unshare", "--mount"):
            return ()
        user = f"wheeltapper-{process}"
        return ("unshare", "--mount", "sh", "-c", AS_USER, "sh", str(self.root), user)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    # A short path: a socket's may have a hundred characters.
    with tempfile.TemporaryDirectory(prefix="wt-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        for name in ("info", "updates"):
            (root / "var/lib/dpkg" / name).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        (root / "etc").mkdir()
        yield Gateway(root)


@pytest.fixture(scope="module")
def installed(gateway: Gateway, package: Path) -> Gateway:
    gateway.dpkg("--install", str(package))
    with gateway.config.open("a") as config:
        config.write(UPLINK)
    return gateway


# ------------------------------------------------------------------ its processes
class Process:
    """A process started as its unit starts it; we are its systemd.

    One that hears what it waits for and then no more: that must disturb nobody.
    """

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(WITHIN_S)
        path = gateway.root / f"{name}.notify"
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        path.chmod(0o777)
        self._log = (gateway.root / f"{name}.log").open("ab")
        self._child: subprocess.Popen[bytes] = subprocess.Popen(
            [
                *gateway.as_its_user(name),
                *(str(gateway.home / "venv/bin/wheeltapper"), name),
                *("-c", str(gateway.config)),
                *("--state-dir", str(gateway.state(name))),
                *("--run-dir", str(gateway.root / "run/wheeltapper")),
            ],
            env={
                "PATH": "/usr/bin:/bin",
                "NOTIFY_SOCKET": str(path),
                "WATCHDOG_USEC": "2000000",
            },
            stdout=self._log,
            stderr=self._log,
        )

    def wait_for(self, word: str) -> None:
        """Wait until the process notifies `word`."""
        try:
            while word not in self._socket.recv(4096).decode().splitlines():
                pass
        except TimeoutError:
            pytest.fail(f"{self.name} did not say {word}; code {self._child.poll()}")

    def end(self) -> int:
        """End it as systemd does; return its exit code."""
        self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()
        finally:
            self._socket.close()
            self._log.close()


@contextlib.contextmanager
def running(gateway: Gateway, *names: str) -> Iterator[None]:
    """Run processes until the end of the block; each must end well."""
    started = []
    codes = {}
    try:
        for name in names:
            started.append(Process(gateway, name))
            started[-1].wait_for("READY=1")
        for process in started:
            process.wait_for("WATCHDOG=1")
        yield
    finally:
        codes = {process.name: process.end() for process in reversed(started)}
    assert set(codes.values()) == {0}


def eventually(holds: Callable[[], bool]) -> bool:
    """Say whether something comes true in time."""
    until_s = time.monotonic() + WITHIN_S
    while time.monotonic() < until_s:
        if holds():
            return True
        time.sleep(0.1)
    return False


# ------------------------------------------------------------------ in this order
def test_the_same_sources_give_the_same_package(package: Path, tmp_path: Path) -> None:
    assert built(ROOT, tmp_path).read_bytes() == package.read_bytes()


def test_it_is_installed_without_a_network(installed: Gateway) -> None:
    root = str(installed.root)
    installed.command("check", str(installed.config))
    if os.geteuid() == 0:
        assert "well" in installed.command("install", "--root", root, "--check")
    program = installed.root / "usr/bin/wheeltapper"
    assert str(program.readlink()) == "/opt/wheeltapper/venv/bin/wheeltapper"


def test_its_processes_run_and_know_each_other(installed: Gateway) -> None:
    run_dir = str(installed.root / "run/wheeltapper")

    def met() -> bool:
        script = (
            "import json, sys; from pathlib import Path\n"
            "from appliance.commands.common import ask\n"
            "print(json.dumps(ask(Path(sys.argv[1]) / 'hub.sock', 'status')))"
        )
        told = subprocess.run(
            [installed.home / "venv/bin/python", "-c", script, run_dir],
            capture_output=True,
            check=True,
            text=True,
        )
        return set(json.loads(told.stdout)["processes"]) == {"inference", "sync"}

    with running(installed, *PROCESSES):
        assert eventually(met)
        assert "observe" in installed.command("trips", "list", "--run-dir", run_dir)
    assert (installed.state("hub") / "buffer.db").is_file()
    assert (installed.state("safety") / "safety.db").is_file()


def test_an_upgrade_keeps_configuration_state_and_what_still_runs(
    installed: Gateway, next_package: Path
) -> None:
    config = installed.config.read_bytes()
    before = (installed.home / "venv").resolve()
    with running(installed, "safety"):
        installed.dpkg("--install", str(next_package))
        assert before.is_dir()
    after = (installed.home / "venv").resolve()
    assert after != before
    assert list(after.glob("lib/python*/site-packages/wheeltapper-99.1.dist-info"))
    assert installed.config.read_bytes() == config
    assert (installed.state("hub") / "buffer.db").is_file()
    with running(installed, "safety", "hub"):
        pass
    installed.dpkg("--install", str(next_package))
    assert not before.exists()
    assert not after.exists()


def test_removing_keeps_configuration_and_state_and_purging_leaves_nothing(
    installed: Gateway,
) -> None:
    installed.dpkg("--remove", "wheeltapper")
    assert not installed.home.exists()
    assert installed.config.is_file()
    assert (installed.state("hub") / "buffer.db").is_file()
    installed.dpkg("--purge", "wheeltapper")
    theirs = ("var/lib/dpkg", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")
    left = [
        path
        for path in installed.root.rglob("*wheeltapper*")
        if not str(path.relative_to(installed.root)).startswith(theirs)
    ]
    assert left == []
