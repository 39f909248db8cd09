"""A release tree on disk, made by the real release code, and a gateway that looks."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.updates.carrier import TreeCarrier
from appliance.updates.fetch import Cycle, Gateway
from appliance.updates.floors import Floors
from appliance.updates.install import ModelShelf
from appliance.updates.trust import Trust
from fleet.release import Expiry, ReleaseTree
from fleet.signing import Keys
from models.bundle import (
    OUTPUTS,
    SCHEMA,
    Bundle,
    BundleError,
    Calibration,
    Golden,
    Manifest,
    ModeCard,
    TagUnit,
    read_bundle,
    write_bundle,
)
from models.features import FEATURES_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuf.ngclient import FetcherInterface

    from appliance.updates.fetch import Outcome

NAME = "P-101"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SteppedClock:
    """The machine's time, moved by a test; monotonic time goes with it."""

    def __init__(self) -> None:
        self.offset_ns = 0
        self.mono_s = 0.0

    def utc_ns(self) -> int:
        # tuf reads the machine's own clock, so ours must not be elsewhere
        return int(datetime.now(UTC).timestamp() * 1e9) + self.offset_ns

    def now_s(self) -> float:
        return self.mono_s

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, let alone {seconds} s")


def tiny_bundle(version: str, asset: str = NAME) -> Bundle:
    """Return a bundle that reads well; its graph is for nobody to run."""
    rows = np.ones((2, 1), dtype=np.float32)
    golden = Golden(rows, np.zeros(2, np.int64), rows[:, 0], rows, rows, rows)
    manifest = Manifest(
        schema=SCHEMA,
        asset=asset,
        version=version,
        features_version=FEATURES_VERSION,
        features=(f"{asset}/flow:mean",),
        dropped={},
        tags=(TagUnit(f"{asset}/flow", "m3/h"),),
        window_s=60.0,
        hop_s=60.0,
        outputs=OUTPUTS,
        limit=1.0,
        calibration=Calibration("m", (5,), "t", 0.8, 1.0, 1e-5),
        detectors=("t2",),
        modes=(
            ModeCard(
                name="running",
                rows=20,
                held_out_rows=20,
                safety_factor=1.0,
                raw_limit=2.0,
            ),
        ),
        trained_from=NOW,
        trained_to=NOW,
        rows=20,
        parity_max=0.0,
    )
    return Bundle(manifest, version.encode(), golden, f"# {version}\n")


@dataclass
class Publisher:
    """Whoever owns the tree and its keys; an attacker may borrow either."""

    folder: Path
    clock: SteppedClock
    expiry: Expiry = field(default_factory=Expiry)

    @property
    def place(self) -> Path:
        return self.folder / "tree"

    @property
    def metadata(self) -> Path:
        return self.place / "metadata"

    @property
    def tree(self) -> ReleaseTree:
        keys = Keys(self.folder / "keys")
        return ReleaseTree(self.place, keys, clock=self.clock, expiry=self.expiry)

    def release(
        self,
        version: str,
        *,
        asset: str = NAME,
        sites: tuple[str, ...] = ("*",),
        counter: int | None = None,
    ) -> None:
        folder = self.folder / "bundles" / asset / version
        if not folder.is_dir():
            folder = write_bundle(self.folder / "bundles", tiny_bundle(version, asset))
        self.tree.add(folder, sites, counter=counter)

    def archives(self) -> list[Path]:
        return sorted(self.place.rglob("*.tar.zst"))

    def copy(self, name: str) -> Path:
        """Return a mirror of the tree as it is now."""
        return shutil.copytree(self.place, self.folder / name)

    def text(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.metadata / name).read_text())
        return found


@dataclass
class Device:
    """A gateway: its state, and what it would tell people."""

    folder: Path
    root: bytes
    tree: str
    clock: SteppedClock
    assets: tuple[str, ...] = (NAME,)
    automatic: bool = True
    told: list[tuple[str, str, str]] = field(default_factory=list)
    prove: Callable[[Path], tuple[str, str]] | None = None
    carrier: FetcherInterface | None = None

    @property
    def shelf(self) -> ModelShelf:
        return ModelShelf(self.folder / "models", read_bundle)

    @property
    def floors(self) -> Floors:
        return Floors(self.folder / "trust" / "floors.json")

    @property
    def active(self) -> str | None:
        found = self.shelf.active_folder(NAME)
        return None if found is None else found.name

    def trust(self) -> Trust:
        return Trust(
            self.folder / "trust",
            self.tree,
            root=self.root,
            carrier=self.carrier or TreeCarrier(self.clock),
        )

    def cycle(self) -> Cycle:
        return Cycle(
            trust=self.trust(),
            shelf=self.shelf,
            floors=self.floors,
            gateway=Gateway("plant-1", "gw-1", self.assets),
            workspace=self.folder / "trust" / "workspace",
            prove=self.prove or self._prove,
            in_force=self._in_force,
            clock=self.clock,
            automatic=self.automatic,
        )

    def look(self) -> Outcome:
        """Run one cycle; return what became of the first asset."""
        return self.cycle().run()[0]

    def _prove(self, folder: Path) -> tuple[str, str]:
        try:
            manifest = read_bundle(folder).manifest
        except BundleError as error:
            raise AssertionError from error
        return manifest.asset, manifest.version

    def _in_force(self, asset: str, version: str, before: str) -> str:
        self.told.append((asset, version, before))
        return f"{asset} {version} is active"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def publisher(tmp_path: Path, clock: SteppedClock) -> Publisher:
    made = Publisher(tmp_path, clock)
    made.tree.create()
    return made


@pytest.fixture
def device(tmp_path: Path, publisher: Publisher, clock: SteppedClock) -> Device:
    root = (publisher.metadata / "1.root.json").read_bytes()
    return Device(tmp_path / "gateway", root, publisher.place.as_uri(), clock)
