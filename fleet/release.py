"""A tree of released bundles, signed as The Update Framework has it.

Static files below a folder: serve them by any web server, or carry them on a stick.
Each publication writes new files and replaces `timestamp.json` last, so a gateway that
looks at any moment sees one whole state or the one before.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tuf.api.exceptions import RepositoryError, StorageError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from appliance.runtime.files import write_whole
from appliance.wire.release import SUFFIX, Release, custom_of, release_of
from fleet.signing import KEYS_OF, ROLES, Keys, SigningError
from models.archive import pack
from models.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from appliance.domain.ports import Clock

_Signed = TypeVar("_Signed", Root, Targets, Snapshot, Timestamp)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_NS = 1_000_000_000


class ReleaseError(Exception):
    """Nothing was published; the message says why."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """After how many days each role's word is no longer taken."""

    root: float = 3650.0
    targets: float = 365.0
    snapshot: float = 30.0
    timestamp: float = 14.0

    def days(self, role: str) -> float:
        """Return the days of a role."""
        return float(getattr(self, role))


@dataclass(frozen=True, slots=True)
class _Published:
    """The three that change together."""

    targets: Targets
    snapshot: Snapshot
    timestamp: Timestamp


class ReleaseTree:
    """Publishes into `folder`, with the keys at hand; one process at a time."""

    def __init__(
        self, folder: Path, keys: Keys, *, clock: Clock, expiry: Expiry | None = None
    ) -> None:
        self._folder = folder
        self._metadata = folder / "metadata"
        self._keys = keys
        self._clock = clock
        self._expiry = expiry or Expiry()

    def create(self) -> Path:
        """Make keys and an empty tree; return the root that gateways begin with.

        Raises:
            ReleaseError: There is a tree already.
            SigningError: There are keys already.
        """
        if self._metadata.is_dir():
            raise ReleaseError(f"{self._folder} is a release tree already")
        self._keys.create()
        self._metadata.mkdir(parents=True)
        root = Root(consistent_snapshot=True)
        for role in ROLES:
            for signer in self._keys.signers(role):
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = KEYS_OF[role]
        with self._alone():
            path = self._write(root, "root", self._keys.signers("root"))
            self._publish(_Published(Targets(), Snapshot(), Timestamp()), targets=True)
        return path

    def add(
        self, folder: Path, sites: Sequence[str], *, counter: int | None = None
    ) -> Release:
        """Release a bundle to sites; return the release.

        `counter` defaults to one above the highest of the tree. A bundle that is
        released again, with a higher counter, takes the place of all newer ones.

        Raises:
            BundleError: The bundle must not be used.
            ReleaseError: The tree is not whole, or the counter is not above.
            SigningError: A key is missing.
        """
        manifest = read_bundle(folder).manifest
        with self._alone():
            published = self._published()
            found = _releases(published.targets)
            highest = max((r.release_counter for r in found), default=0)
            release = Release(
                asset=manifest.asset,
                version=manifest.version,
                release_counter=highest + 1 if counter is None else counter,
                features_version=manifest.features_version,
                sites=tuple(sites),
            )
            if release.release_counter <= highest:
                problem = f"the counter must be above {highest}; no gateway takes less"
                raise ReleaseError(problem)
            self._put(published.targets, release, pack(folder))
            self._publish_next(published, targets=True)
        return release

    def refresh(self) -> None:
        """Vouch for the tree as it is, for another while; the targets key stays away.

        Raises:
            ReleaseError: The tree is not whole.
            SigningError: A key is missing.
        """
        with self._alone():
            self._publish_next(self._published(), targets=False)

    def rotate(self, role: str) -> None:
        """Give a role a new key in place of its oldest, and publish with it.

        Gateways follow by the new root, which the keys of the old one sign, too.

        Raises:
            ReleaseError: The tree is not whole.
            SigningError: A key is missing.
        """
        with self._alone():
            published, root = self._published(), self._root()
            before = self._signers("root", root)
            oldest = self._signers(role, root)[0]
            root.add_key(self._keys.add(role).public_key, role)
            root.revoke_key(oldest.public_key.keyid, role)
            root.version += 1
            both = (*before, *self._signers("root", root))
            signers = {each.public_key.keyid: each for each in both}
            self._write(root, "root", tuple(signers.values()))
            self._publish_next(published, targets=role == "targets")

    def releases(self) -> tuple[Release, ...]:
        """Return what the tree holds, the newest first.

        Raises:
            ReleaseError: The tree is not whole.
        """
        found = _releases(self._published().targets)
        return tuple(sorted(found, key=lambda r: r.release_counter, reverse=True))

    def _put(self, targets: Targets, release: Release, content: bytes) -> None:
        path = f"models/{_slug(release.asset)}/{_slug(release.version)}{SUFFIX}"
        there = targets.targets.get(path)
        if there is not None:
            other = release_of(there.custom)
            if other is None or other.asset != release.asset:
                raise ReleaseError(f"{path} is another asset's; rename the asset")
        target = TargetFile.from_data(path, content, ["sha256"])
        target.unrecognized_fields["custom"] = custom_of(release)
        folder, _, name = path.rpartition("/")
        place = self._folder / "targets" / folder / f"{target.hashes['sha256']}.{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, content, mode=0o644)
        targets.targets[path] = target

    def _publish_next(self, published: _Published, *, targets: bool) -> None:
        """Publish the next versions; the targets only if they have changed."""
        published.targets.version += targets
        published.snapshot.version += 1
        published.timestamp.version += 1
        self._publish(published, targets=targets)

    def _publish(self, new: _Published, *, targets: bool) -> None:
        """Write them, the timestamp last. Digests bind the parts together."""
        root = self._root()
        if targets:
            path = self._write(new.targets, "targets", self._signers("targets", root))
            new.snapshot.meta["targets.json"] = _meta(path, new.targets.version)
        path = self._write(new.snapshot, "snapshot", self._signers("snapshot", root))
        new.timestamp.snapshot_meta = _meta(path, new.snapshot.version)
        self._write(new.timestamp, "timestamp", self._signers("timestamp", root))

    def _write(
        self, signed: _Signed, role: str, signers: Sequence[CryptoSigner]
    ) -> Path:
        """Sign a role's word and write it; return its path."""
        now = datetime.fromtimestamp(self._clock.utc_ns() // _NS, UTC)
        signed.expires = now + timedelta(seconds=round(self._expiry.days(role) * 86400))
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        name = (
            f"{role}.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        )
        path = self._metadata / name
        write_whole(path, metadata.to_bytes(JSONSerializer(compact=False)), mode=0o644)
        return path

    def _signers(self, role: str, root: Root) -> tuple[CryptoSigner, ...]:
        """Return the keys of a role that the root names, oldest first."""
        named = root.roles[role].keyids
        keys = self._keys.signers(role)
        found = tuple(each for each in keys if each.public_key.keyid in named)
        if len(found) < root.roles[role].threshold:
            raise SigningError(f"a key of the role {role!r} is not at hand")
        return found

    def _root(self) -> Root:
        """Return the newest root."""
        paths = self._metadata.glob("*.root.json")
        versions = [int(path.name.partition(".")[0]) for path in paths]
        return self._read(f"{max(versions, default=0)}.root.json", Root)

    def _published(self) -> _Published:
        """Return what a gateway sees: from the timestamp on, not what lies about."""
        timestamp = self._read("timestamp.json", Timestamp)
        version = timestamp.snapshot_meta.version
        snapshot = self._read(f"{version}.snapshot.json", Snapshot)
        version = snapshot.meta["targets.json"].version
        targets = self._read(f"{version}.targets.json", Targets)
        return _Published(targets, snapshot, timestamp)

    def _read(self, name: str, kind: type[_Signed]) -> _Signed:
        path = self._metadata / name
        try:
            signed = Metadata.from_file(str(path)).signed
        except (RepositoryError, StorageError) as error:
            problem = f"{self._folder} is no whole release tree: {error}"
            raise ReleaseError(problem) from error
        if not isinstance(signed, kind):
            raise ReleaseError(f"{path} is not what its name says")
        return signed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._metadata.is_dir():
            raise ReleaseError(f"{self._folder} is no release tree; init it first")
        descriptor = os.open(self._metadata, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _releases(targets: Targets) -> tuple[Release, ...]:
    found = (release_of(target.custom) for target in targets.targets.values())
    return tuple(release for release in found if release is not None)


def _meta(path: Path, version: int) -> MetaFile:
    return MetaFile.from_data(version, path.read_bytes(), ["sha256"])


def _slug(name: str) -> str:
    """Return a name that is the same in a URL and on a disk."""
    return _UNSAFE.sub("_", name)
