"""Where everything of a gateway is, below a root: what ought to be, and is it so."""

from __future__ import annotations

import os
import stat
import sysconfig
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG = "etc/wheeltapper/wheeltapper.toml"
UNITS = "usr/lib/systemd/system"
_CHECKOUT = Path(__file__).parents[2] / "systemd"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, and whose it is."""

    path: str
    mode: int
    user: str
    group: str


@dataclass(frozen=True, slots=True)
class OurFile:
    """A file that comes with the product; it is replaced when it differs.

    What a site changes about a unit goes into a drop-in beside it.
    """

    path: str
    content: bytes
    mode: int = 0o644
    user: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file that is the site's from the moment it exists; it is never replaced."""

    path: str
    content: bytes
    mode: int
    user: str
    group: str


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, for whoever looks in another process's place."""

    path: str
    target: str
    user: str = "root"
    group: str = "root"


Place = Folder | Link | OurFile | SiteFile


def our_files() -> tuple[OurFile, ...]:
    """Return the units and what creates their users and folders."""
    source = unit_folder()
    units = sorted([*source.glob("*.service"), *source.glob("*.target")])
    placed = {f"{UNITS}/{unit.name}": unit for unit in units}
    placed["usr/lib/sysusers.d/wheeltapper.conf"] = source / "sysusers.conf"
    placed["usr/lib/tmpfiles.d/wheeltapper.conf"] = source / "tmpfiles.conf"
    return tuple(OurFile(path, file.read_bytes()) for path, file in placed.items())


def site_places(config: bytes | None = None) -> tuple[Folder | Link | SiteFile, ...]:
    """Return the folders and the configuration (default: the commented template).

    `tmpfiles.conf` is the one list of them, so that systemd, when it makes them at
    boot, and we agree.
    """
    content = template() if config is None else config
    text = (unit_folder() / "tmpfiles.conf").read_text("utf-8")
    return tuple(_places(text, {CONFIG: content}))


def template() -> bytes:
    """Return the commented configuration of a new gateway."""
    return files("appliance.commands").joinpath("gateway.toml").read_bytes()


def unit_folder() -> Path:
    """Return `systemd/` of the checkout, or of the environment we are installed in."""
    if (_CHECKOUT / "wheeltapper.target").is_file():
        return _CHECKOUT
    return Path(sysconfig.get_path("data")) / "share" / "wheeltapper" / "systemd"


def _places(
    text: str, content: Mapping[str, bytes]
) -> Iterator[Folder | Link | SiteFile]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        kind, path, mode, user, group = words[:5]
        path = path.lstrip("/")
        match kind:
            case "d":
                yield Folder(path, int(mode, 8), user, group)
            case "L":
                yield Link(path, words[-1])
            case _:
                yield SiteFile(path, content[path], int(mode, 8), user, group)


class Root:
    """A root below which places are made. Ownership is set by root alone.

    Users are those of `etc/passwd` and `etc/group` below the root, which may be
    another machine's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sets_owners = os.geteuid() == 0
        self._users = _numbers(path / "etc/passwd")
        self._groups = _numbers(path / "etc/group")

    def missing_names(self, places: tuple[Place, ...]) -> tuple[str, ...]:
        """Return the users and groups that the places need and the root has not."""
        users = {place.user for place in places} - self._users.keys()
        groups = {place.group for place in places} - self._groups.keys()
        return tuple(sorted((users | groups) - {"root"}))

    def fault(self, place: Place) -> str | None:
        """Return what is wrong with a place, or None."""
        path = self.path / place.path
        if isinstance(place, Link):
            return None if path.is_symlink() else "missing"
        if not (path.is_dir() if isinstance(place, Folder) else path.is_file()):
            return "missing"
        if isinstance(place, OurFile) and path.read_bytes() != place.content:
            return "not of this version"
        found = path.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode != place.mode:
            return f"mode {mode:04o} instead of {place.mode:04o}"
        owner = self._owner(place)
        if owner is not None and owner != (found.st_uid, found.st_gid):
            return f"does not belong to {place.user}:{place.group}"
        return None

    def make(self, place: Place) -> str:
        """Make a place as it ought to be; return what was done in one word.

        Raises:
            OSError: It cannot be made.
        """
        fault = self.fault(place)
        if fault is None:
            return "kept"
        path = self.path / place.path
        if isinstance(place, Link):
            path.symlink_to(place.target)
            return "made"
        if isinstance(place, Folder):
            path.mkdir(parents=True, exist_ok=True)
        elif isinstance(place, OurFile) or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, place.content, mode=place.mode)
        owner = self._owner(place)
        if owner is not None:
            os.chown(path, *owner)
        path.chmod(place.mode)
        return "made" if fault == "missing" else "mended"

    def _owner(self, place: Folder | OurFile | SiteFile) -> tuple[int, int] | None:
        """Return the numbers of user and group; None where we cannot set them."""
        user = self._users.get(place.user, 0 if place.user == "root" else None)
        group = self._groups.get(place.group, 0 if place.group == "root" else None)
        if not self._sets_owners or user is None or group is None:
            return None
        return user, group


def _numbers(path: Path) -> dict[str, int]:
    """Return name → number of a file in the form of passwd or group."""
    if not path.is_file():
        return {}
    rows = (line.split(":") for line in path.read_text("utf-8").splitlines())
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}  # noqa: PLR2004 - name, password, number
