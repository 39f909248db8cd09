"""What may be believed of a release tree (The Update Framework).

The rules are python-tuf's: root → timestamp → snapshot → targets, each signed by keys
that the one before names, none older than what was seen, none expired. Trust begins
with the root that came with the installation. Here its errors become ours: a refusal
has a name.

    trust = Trust(folder, "file:///media/stick/tree", root=root, carrier=carrier)
    for release in trust.refresh():
        content = trust.fetch(release)

One `Trust` serves one cycle. It blocks: run it in a short-lived process.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    SlowRetrievalError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Targets
from tuf.ngclient import Updater, UpdaterConfig

from appliance.updates.refusals import (
    DowngradedError,
    EndlessError,
    ExpiredError,
    TamperedError,
    UnreachableError,
    UpdateError,
)
from appliance.wire.release import RELEASE_MAX_BYTES, release_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuf.ngclient import FetcherInterface

    from appliance.wire.release import Release

METADATA, TARGETS = "metadata", "targets"
_LIMITS = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=1,
    root_max_length=100_000,  # bytes, as all of these
    timestamp_max_length=16_384,
    snapshot_max_length=100_000,
    targets_max_length=5_000_000,
)


_Kinds = tuple[type[Exception], ...]
_REFUSALS: tuple[tuple[_Kinds, type[UpdateError], str], ...] = (
    (
        (ExpiredMetadataError,),
        ExpiredError,
        "was not vouched for recently enough; what runs stays",
    ),
    (
        (BadVersionNumberError,),
        DowngradedError,
        "is older than what was seen, or its parts were not published together",
    ),
    (
        (UnsignedMetadataError,),
        TamperedError,
        "is not signed by the keys that we trust",
    ),
    ((LengthOrHashMismatchError,), TamperedError, "is not what was signed"),
    (
        (DownloadLengthMismatchError, SlowRetrievalError),
        EndlessError,
        "is longer, or comes slower, than any release may",
    ),
    ((RepositoryError,), TamperedError, "cannot be understood"),
    ((Exception,), UnreachableError, "cannot be had"),
)
"""The first that fits counts; each is followed by the library's own words."""


class Trust:
    """The verified view of one tree; what was verified is kept below `folder`."""

    def __init__(
        self, folder: Path, tree: str, *, root: bytes, carrier: FetcherInterface
    ) -> None:
        self._metadata = folder / METADATA
        self._tree = tree.rstrip("/")
        self._root = root
        self._carrier = carrier
        self._updater: Updater | None = None
        self._paths: dict[Release, str] = {}

    def refresh(self) -> tuple[Release, ...]:
        """Verify the tree as it is now; return all releases in it.

        Raises:
            UpdateError: By its name. Nothing of the tree is believed.
        """
        with _refusing("the tree"):
            self._metadata.mkdir(parents=True, exist_ok=True)
            updater = Updater(
                str(self._metadata),
                f"{self._tree}/{METADATA}",
                target_base_url=f"{self._tree}/{TARGETS}",
                fetcher=self._carrier,
                config=_LIMITS,
                bootstrap=self._root,
            )
            updater.refresh()
            self._updater = updater
            # what refresh has just verified and written; Updater does not list targets
            verified = Metadata[Targets].from_file(str(self._metadata / "targets.json"))
        for path, target in verified.signed.targets.items():
            release = release_of(target.custom)
            if release is not None:
                self._paths[release] = path
        return tuple(self._paths)

    def fetch(self, release: Release, folder: Path) -> bytes:
        """Return the archive of a release from `refresh`, as it was signed.

        It passes through `folder`, which is left empty.

        Raises:
            UpdateError: By its name.
        """
        assert self._updater is not None, "refresh comes first"
        place = folder / "archive"
        with _refusing(f"release {release.release_counter} of {release.asset}"):
            target = self._updater.get_targetinfo(self._paths[release])
            assert target is not None, "its path was read from the same metadata"
            if target.length > RELEASE_MAX_BYTES:
                raise EndlessError(f"{release.version} is longer than any bundle")
            try:
                self._updater.download_target(target, str(place))
                return place.read_bytes()
            finally:
                place.unlink(missing_ok=True)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    try:
        yield
    except (RepositoryError, DownloadError, OSError) as error:
        raise refusal_of(error, what) from error


def refusal_of(error: Exception, what: str) -> UpdateError:
    """Return our name for an error of python-tuf, or of the disk."""
    refusal, says = next(
        (refusal, says)
        for kinds, refusal, says in _REFUSALS
        if isinstance(error, kinds)
    )
    return refusal(f"{what} {says}: {error}")
