#!/usr/bin/env python3
"""Build the .deb of a gateway: all wheels inside, so that installing needs no network.

The wheels are those of `requirements.lock` for this interpreter's version and this
machine's architecture; the package depends on that version of Python. The same sources
and SOURCE_DATE_EPOCH give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib import import_module
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from closure import ClosureError, closure, digests, entries, part_of

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).parent / "debian"
# `wheeltapper learn` trains on the gateway, from what the gateway has seen.
EXTRAS = ("dashboard", "train")
HOME = "opt/wheeltapper"
DOCUMENTS = "usr/share/doc/wheeltapper"


def main() -> int:
    """Build into `--output`; print where, and how large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR")
    parser.add_argument(
        "--wheelhouse", type=Path, default=ROOT / "build/wheelhouse", metavar="DIR",
        help="where downloaded wheels are kept from one build to the next",
    )  # fmt: skip
    args = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _last_change())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    try:
        wheels = third_party(project, args.wheelhouse)
        with tempfile.TemporaryDirectory(prefix="wheeltapper-deb-") as folder:
            package = build(project, wheels, Path(folder), output=args.output)
    except (ClosureError, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    size_mb = package.stat().st_size / 1e6
    sys.stdout.write(f"{package}: {size_mb:.0f} MB, {len(wheels) + 1} wheels\n")
    return 0


def third_party(project: dict[str, Any], wheelhouse: Path) -> tuple[Path, ...]:
    """Return the wheels that the lock permits for a gateway; fetch what is missing.

    Raises:
        ClosureError: The lock lacks something, or no wheel can be had.
    """
    wanted = list(project["dependencies"])
    for extra in EXTRAS:
        wanted += project["optional-dependencies"][extra]
    names = closure(wanted, lambda name: requires(name) or ())
    lock = entries((ROOT / "requirements.lock").read_text("utf-8"))
    needed = part_of(lock, names)
    wheelhouse.mkdir(parents=True, exist_ok=True)
    found = _wheels_of(needed, wheelhouse)
    if len(found) < len(needed):
        _download("\n".join(needed.values()), wheelhouse)
        found = _wheels_of(needed, wheelhouse)
    missing = sorted(needed.keys() - found.keys())
    if missing:
        raise ClosureError(f"no wheel of {', '.join(missing)}")
    return tuple(found[name] for name in sorted(found))


def build(
    project: dict[str, Any], wheels: tuple[Path, ...], folder: Path, *, output: Path
) -> Path:
    """Stage the package's tree in a folder and pack it."""
    tree = folder / "tree"
    house = tree / HOME / "wheelhouse"
    house.mkdir(parents=True)
    for wheel in wheels:
        shutil.copyfile(wheel, house / wheel.name)
    _run("hatchling", "build", "-t", "wheel", "-d", str(house))
    lines = [_pinned(wheel) for wheel in sorted(house.iterdir())]
    (tree / HOME / "requirements.txt").write_text("".join(lines))
    _place_files(tree)
    _write_control(tree, project)
    _settle(tree)
    architecture = _architecture()
    version = debian_version(project["version"])
    output.mkdir(parents=True, exist_ok=True)
    package = output.resolve() / f"wheeltapper_{version}_{architecture}.deb"
    # xz would take a minute to gain nothing: wheels are compressed already.
    _said("dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(package))
    return package


def debian_version(version: str) -> str:
    """Return a PEP 440 version so that a pre-release sorts before its release."""
    return re.sub(r"\.?(a|b|rc|dev)(?=\d)", r"~\1", version)


def _place_files(tree: Path) -> None:
    sys.path.insert(0, str(ROOT))  # of these sources, whatever is installed
    for file in import_module("appliance.commands.layout").our_files():
        place = tree / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
    program = tree / "usr/bin/wheeltapper"
    program.parent.mkdir(parents=True)
    program.symlink_to(f"/{HOME}/venv/bin/wheeltapper")
    shutil.copytree(ROOT / "systemd/examples", tree / DOCUMENTS / "examples")
    shutil.copyfile(ROOT / "systemd/README.md", tree / DOCUMENTS / "README.md")
    shutil.copyfile(ROOT / "LICENSE", tree / DOCUMENTS / "copyright")
    shutil.copyfile(ROOT / "CHANGELOG.md", tree / DOCUMENTS / "changelog.md")


def _write_control(tree: Path, project: dict[str, Any]) -> None:
    files = sorted(each for each in tree.rglob("*") if each.is_file())
    files = [each for each in files if not each.is_symlink()]
    folder = tree / "DEBIAN"
    folder.mkdir()
    major, minor = sys.version_info[:2]
    filled = {
        "version": debian_version(project["version"]),
        "architecture": _architecture(),
        "installed_kb": str(sum(each.stat().st_size for each in files) // 1024),
        "python": f"{major}.{minor}",
        "next_python": f"{major}.{minor + 1}",
    }
    text = (TEMPLATES / "control").read_text("utf-8")
    for key, value in filled.items():
        text = text.replace(f"@{key}@", value)
    (folder / "control").write_text(text)
    for name in ("postinst", "prerm", "postrm"):
        shutil.copyfile(TEMPLATES / name, folder / name)
    sums = (
        f"{hashlib.md5(each.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {each.relative_to(tree)}\n"
        for each in files
    )
    (folder / "md5sums").write_text("".join(sums))


def _settle(tree: Path) -> None:
    """Give every file the mode and time that it has in every build."""
    epoch_s = int(os.environ["SOURCE_DATE_EPOCH"])
    scripts = {tree / "DEBIAN" / name for name in ("postinst", "prerm", "postrm")}
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in scripts else 0o644)
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)


def _wheels_of(needed: dict[str, str], wheelhouse: Path) -> dict[str, Path]:
    """Return the wheel of each name, known by its digest and not by its file name."""
    permitted = {
        digest: name for name, entry in needed.items() for digest in digests(entry)
    }
    found = {}
    for path in sorted(wheelhouse.glob("*.whl")):
        name = permitted.get(hashlib.sha256(path.read_bytes()).hexdigest())
        if name is not None:
            found[name] = path
    return found


def _download(lock: str, wheelhouse: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(lock + "\n")
        file.flush()
        _run(
            "pip", "-qq", "--disable-pip-version-check", "download", "--no-deps",
            "--require-hashes", "--only-binary", ":all:", "-d", str(wheelhouse),
            "-r", file.name,
        )  # fmt: skip


def _pinned(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


def _run(module: str, *words: str) -> None:
    _said(sys.executable, "-m", module, *words)


def _architecture() -> str:
    return _said("dpkg", "--print-architecture")


def _last_change() -> str:
    """Return the time of the last commit, or of 2000 outside a repository."""
    try:
        return _said("git", "log", "-1", "--format=%ct")
    except (OSError, subprocess.CalledProcessError):
        return "946684800"


def _said(*command: str) -> str:
    """Return what a command prints; where it fails, show that and raise."""
    done = subprocess.run(  # noqa: S603 - our own words
        command, check=False, cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
