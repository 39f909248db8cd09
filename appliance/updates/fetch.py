"""One cycle: from a release tree to the active model, or to a refusal by name.

Every step can be cut short by a kill. The counter's floor is raised last, so the next
cycle takes up what this one left; until `activate` replaces one link, the model that
ran still does.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.runtime.files import write_whole
from appliance.updates.floors import check_clock, newest
from appliance.updates.install import InstallError
from appliance.updates.refusals import (
    TamperedError,
    UnreachableError,
    UnsuitableError,
    UpdateError,
)
from models.archive import ArchiveError, unpack
from models.bundle import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from appliance.domain.ports import Clock
    from appliance.updates.floors import Floors
    from appliance.updates.install import ModelShelf
    from appliance.updates.trust import Trust
    from appliance.wire.release import Release

ACTIVE, STAGED, CURRENT, NONE, REFUSED = (
    "active", "staged", "current", "none", "refused",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who fetches, and for which assets."""

    site: str
    name: str
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one asset. `result` is one of the words above.

    `refusal` is the one-word name of a refusal, `said` a sentence for people.
    """

    asset: str
    result: str
    version: str = ""
    release_counter: int = 0
    refusal: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Brings the newest release of each asset onto the shelf and into force.

    `prove(folder)` runs a bundle's golden vectors and returns its asset and version, or
    raises `UnsuitableError`. `in_force(asset, version, before)` is called after each
    activation; it records it, tells whom it concerns, and returns what is to be said.
    `workspace` is a folder of its own, emptied each time.
    """

    trust: Trust
    shelf: ModelShelf
    floors: Floors
    gateway: Gateway
    workspace: Path
    prove: Callable[[Path], tuple[str, str]]
    in_force: Callable[[str, str, str], str]
    clock: Clock
    automatic: bool = True

    def run(self) -> tuple[Outcome, ...]:
        """Do it once; an asset that is refused does not hold up the others.

        Raises:
            UpdateError: The tree as a whole is refused, or cannot be had.
        """
        check_clock(self.floors.read(), self.clock.utc_ns())
        found = self.trust.refresh()
        self.floors.see(self.clock.utc_ns())
        site, name = self.gateway.site, self.gateway.name
        releases = [release for release in found if release.is_for(site, name)]
        return tuple(self._asset(asset, releases) for asset in self.gateway.assets)

    def _asset(self, asset: str, releases: Sequence[Release]) -> Outcome:
        try:
            floor = self.floors.read().counters.get(asset, 0)
            release = newest(releases, asset, floor=floor)
            if release is None:
                return Outcome(asset, NONE, said=f"no release of {asset} for this site")
            if release.release_counter == floor:
                said = f"{asset} {release.version} was taken in before"
                return _outcome(release, CURRENT, said)
            return self._take_in(release)
        except (UpdateError, InstallError, OSError) as error:
            name = error.name if isinstance(error, UpdateError) else UpdateError.name
            return Outcome(asset, REFUSED, refusal=name, said=str(error))

    def _take_in(self, release: Release) -> Outcome:
        asset, version = release.asset, release.version
        folder = self._unpacked(release)
        if self.prove(folder) != (asset, version):
            raise UnsuitableError(f"the bundle is not {asset} {version} as released")
        self._stage(folder, release)
        said = f"{asset} {version} is staged: wheeltapper models activate"
        if self.automatic:
            said = self._activate(asset, version)
        self.floors.raise_to(asset, release.release_counter, utc_ns=self.clock.utc_ns())
        shutil.rmtree(self.workspace, ignore_errors=True)
        return _outcome(release, ACTIVE if self.automatic else STAGED, said)

    def _activate(self, asset: str, version: str) -> str:
        active = self.shelf.active_folder(asset)
        self.shelf.activate(asset, version)
        return self.in_force(asset, version, "" if active is None else active.name)

    def _unpacked(self, release: Release) -> Path:
        """Return a folder with the four files of the release."""
        try:
            shutil.rmtree(self.workspace, ignore_errors=True)
            folder = self.workspace / "bundle"
            folder.mkdir(parents=True)
            content = self.trust.fetch(release, self.workspace)
            for name, file in unpack(content).items():
                write_whole(folder / name, file)
        except ArchiveError as error:
            raise TamperedError(f"release {release.version}: {error}") from error
        except OSError as error:
            raise UnreachableError(f"our disk refuses: {error}") from error
        return folder

    def _stage(self, folder: Path, release: Release) -> None:
        """Put it on the shelf, unless the very same is there."""
        there = self.shelf.folder(release.asset, release.version)
        if there is None:
            self.shelf.take_in(folder, release.asset, release.version)
        elif (there / MANIFEST).read_bytes() != (folder / MANIFEST).read_bytes():
            raise UnsuitableError(
                f"another model of the version {release.version} is on the shelf"
            )


def _outcome(release: Release, result: str, said: str) -> Outcome:
    return Outcome(
        release.asset,
        result,
        version=release.version,
        release_counter=release.release_counter,
        said=said,
    )
