"""What a gateway has accepted before, so that nothing older is accepted again.

A floor beyond TUF's own: it holds even if the whole tree is in wrong hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from appliance.runtime.files import write_whole
from appliance.updates.refusals import ClockError, DowngradedError, TamperedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from appliance.wire.release import Release


SEEN_EVERY_S = 3600.0
"""A verification is remembered so often: flash wears."""
CLOCK_SLACK_S = 300.0

_NS = 1_000_000_000


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The highest release counter taken in, by asset; the newest time at which so."""

    counters: dict[str, int] = {}
    seen_utc_ns: int = 0


class Floors:
    """Keeps `Accepted` in a file; it only ever rises."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Accepted:
        """Return what was accepted.

        Raises:
            TamperedError: The file is broken. It is not taken for an empty one.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Accepted)
        except FileNotFoundError:
            return Accepted()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TamperedError(
                f"{self._path} is broken ({error}); what was accepted before is not"
                " known, and a person must remove the file"
            ) from error

    def raise_to(self, asset: str, counter: int, *, utc_ns: int) -> None:
        """Remember that a release was taken in; durable on return.

        Raises:
            OSError: The disk refused.
            TamperedError: The file is broken.
        """
        before = self.read()
        counters = dict(before.counters)
        counters[asset] = max(counter, counters.get(asset, 0))
        self._write(Accepted(counters, max(before.seen_utc_ns, utc_ns)))

    def see(self, utc_ns: int) -> None:
        """Remember a time at which a tree was found fresh.

        Raises:
            OSError: The disk refused.
            TamperedError: The file is broken.
        """
        before = self.read()
        if utc_ns - before.seen_utc_ns >= SEEN_EVERY_S * _NS:
            self._write(msgspec.structs.replace(before, seen_utc_ns=utc_ns))

    def _write(self, accepted: Accepted) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, msgspec.json.encode(accepted, order="sorted"))


def check_clock(accepted: Accepted, utc_ns: int) -> None:
    """Hold the clock against the last verification.

    Raises:
        ClockError: It was set back behind that: an expiry could be hidden so.
    """
    behind_s = (accepted.seen_utc_ns - utc_ns) / _NS
    if behind_s > CLOCK_SLACK_S:
        raise ClockError(
            f"our clock stands {behind_s:.0f} s before the last verification;"
            " set it right"
        )


def newest(releases: Iterable[Release], asset: str, *, floor: int) -> Release | None:
    """Return the newest release of an asset, or None if it has none.

    Raises:
        DowngradedError: Its counter is below the floor.
    """
    own = [release for release in releases if release.asset == asset]
    best = max(own, key=lambda release: release.release_counter, default=None)
    if best is not None and best.release_counter < floor:
        raise DowngradedError(
            f"the newest release of {asset} is {best.release_counter}"
            f" ({best.version}), but {floor} was taken in before"
        )
    return best
