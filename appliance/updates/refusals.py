"""Why a release is not taken: each reason has its name.

Whatever is refused, the model that runs stays.
"""

from __future__ import annotations

from typing import ClassVar


class UpdateError(Exception):
    """No release was taken; `name` says why in one word, the text in a sentence."""

    name: ClassVar[str] = "refused"

    def __str__(self) -> str:
        """Return `name: sentence`."""
        return f"{self.name}: {super().__str__()}"


class TamperedError(UpdateError):
    """Not what its publisher signed: a signature, a digest or a length is wrong."""

    name = "tampered"


class DowngradedError(UpdateError):
    """Older than what was accepted before."""

    name = "downgraded"


class ExpiredError(UpdateError):
    """Its publisher has not vouched for it recently enough."""

    name = "expired"


class EndlessError(UpdateError):
    """More came than was announced, or it came too slowly."""

    name = "endless"


class ClockError(UpdateError):
    """Our clock shows a time that has been before: nothing can be called fresh."""

    name = "clock"


class UnsuitableError(UpdateError):
    """Genuine, but this gateway cannot use it."""

    name = "unsuitable"


class UnreachableError(UpdateError):
    """The tree, or our own disk, cannot be read or written: try again later."""

    name = "unreachable"
