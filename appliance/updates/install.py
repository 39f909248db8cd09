"""Versions of an asset's model on disk: which is active, which was before.

`models/<asset>/<version>/` are whole folders; `active` and `previous` are symbolic
links beside them, replaced in one step each. Whoever reads `active` sees one model or
the other, never half of one.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.runtime.files import replace_link, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACTIVE = "active"
PREVIOUS = "previous"


class InstallError(Exception):
    """The model was not activated; the text says why. What was active still is."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A version of an asset's model."""

    asset: str
    version: str
    state: str


class ModelShelf:
    """The models of a gateway, below `<state_dir>/models`.

    `verify` reads a bundle's folder and raises `ValueError` if it must not be used.
    """

    def __init__(self, root: Path, verify: Callable[[Path], object]) -> None:
        self._root = root
        self._verify = verify

    def active_folder(self, asset: str) -> Path | None:
        """Return the folder of the asset's active model, or None."""
        version = self._linked(asset, ACTIVE)
        return None if version is None else self._root / asset / version

    def folder(self, asset: str, version: str) -> Path | None:
        """Return the folder of a version, or None: it is not on the shelf."""
        if version not in self._folders(self._root / asset):
            return None
        return self._root / asset / version

    def installed(self) -> tuple[Installed, ...]:
        """Return all versions of all assets, in order of name."""
        found = []
        for asset in sorted(self._folders(self._root)):
            states = {
                self._linked(asset, PREVIOUS): PREVIOUS,
                self._linked(asset, ACTIVE): ACTIVE,
            }
            for version in sorted(self._folders(self._root / asset)):
                state = states.get(version, "candidate")
                found.append(Installed(asset, version, state))
        return tuple(found)

    def activate(self, asset: str, version: str) -> None:
        """Verify a version and make it the active one; the one before is kept.

        Raises:
            InstallError: It is absent, or does not verify.
        """
        if version not in self._folders(self._root / asset):
            raise InstallError(f"{asset} has no model version {version!r}")
        try:
            self._verify(self._root / asset / version)
        except ValueError as error:
            raise InstallError(f"{asset} {version} is refused: {error}") from error
        before = self._linked(asset, ACTIVE)
        if before == version:
            return
        if before is not None:
            replace_link(self._root / asset / PREVIOUS, before)
        replace_link(self._root / asset / ACTIVE, version)

    def roll_back(self, asset: str) -> str:
        """Make the previous version active again, and return it.

        Raises:
            InstallError: There is none, or it does not verify.
        """
        before = self._linked(asset, PREVIOUS)
        if before is None:
            raise InstallError(f"{asset} has no previous model")
        self.activate(asset, before)
        return before

    def take_in(self, folder: Path, asset: str, version: str) -> None:
        """Copy a verified bundle from elsewhere onto the shelf, whole or not at all.

        Raises:
            InstallError: It does not verify, or the version exists.
        """
        place = self._root / asset / version
        if place.exists():
            raise InstallError(f"{asset} {version} is installed already")
        try:
            self._verify(folder)
        except ValueError as error:
            raise InstallError(f"{folder.name} is refused: {error}") from error
        place.parent.mkdir(parents=True, exist_ok=True)
        staging = place.with_name(f".{version}.staging")
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(folder, staging)
        staging.rename(place)
        sync_folder(place.parent)

    def _linked(self, asset: str, name: str) -> str | None:
        link = self._root / asset / name
        return link.readlink().name if link.is_symlink() and link.is_dir() else None

    def _folders(self, folder: Path) -> frozenset[str]:
        if not folder.is_dir():
            return frozenset()
        return frozenset(
            each.name
            for each in folder.iterdir()
            if each.is_dir() and not each.is_symlink() and not each.name.startswith(".")
        )
