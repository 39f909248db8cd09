"""The versions of models on this gateway's disk, as a person may read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.updates import journal
from appliance.updates.install import ModelShelf

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.updates.journal import Act

ACTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an asset's model: `active`, `previous` or `candidate`."""

    asset: str
    version: str
    state: str

    @property
    def key(self) -> str:
        """What a list knows it by."""
        return f"{self.asset}\n{self.version}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """All versions, and who brought which into force, the newest first.

    `trouble` says why nothing is known.
    """

    versions: tuple[Version, ...] = ()
    acts: tuple[Act, ...] = ()
    trouble: str = ""


def read_shelf(state_dir: Path) -> Shelf:
    """Read what is below the state directory; nothing is verified."""
    root = state_dir / "models"
    try:
        if not root.is_dir():
            return Shelf(trouble=f"there are no models below {state_dir}")
        shelf = ModelShelf(root, verify=lambda _folder: None)
        versions = tuple(
            Version(each.asset, each.version, each.state) for each in shelf.installed()
        )
        return Shelf(versions, journal.read(root)[: -ACTS_SHOWN - 1 : -1])
    except OSError as error:
        return Shelf(trouble=f"the models cannot be read: {error.strerror}")
