"""What a release says of itself, in the custom part of its signed target.

Pure codec; the fleet writes it, the gateway reads it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec

SCHEMA = 1
CUSTOM = "wheeltapper"
SUFFIX = ".tar.zst"
RELEASE_MAX_BYTES = 64 * 1024 * 1024
"""The longest archive, packed or not: a bound against hostile input."""

_Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Folder = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A(?!active\Z|previous\Z)[^./\x00-\x1f][^/\x00-\x1f]*\Z",
        max_length=128,
    ),
]
"""A name that can be a folder on the shelf, and none of its links."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle of one asset, for the sites that match one of the patterns.

    `release_counter` only rises: whoever took in a release takes none below it.
    """

    schema: int = SCHEMA
    asset: _Folder
    version: _Folder
    release_counter: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    features_version: int
    sites: tuple[_Pattern, ...]

    def is_for(self, site: str, gateway: str) -> bool:
        """Say whether a pattern matches `site` or `site/gateway` (as in a shell)."""
        names = (site, f"{site}/{gateway}")
        return any(fnmatchcase(n, pattern) for n in names for pattern in self.sites)


def custom_of(release: Release) -> dict[str, Any]:
    """Return the target's custom part."""
    return {CUSTOM: msgspec.to_builtins(release)}


def release_of(custom: object) -> Release | None:
    """Return the release that a target's custom part tells of, or None."""
    if not isinstance(custom, dict):
        return None
    try:
        release = msgspec.convert(custom.get(CUSTOM), Release)
    except msgspec.ValidationError:
        return None
    return release if release.schema == SCHEMA else None
