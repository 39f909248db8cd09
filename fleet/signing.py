"""Keys that sign a release tree: ed25519, a PEM file each, readable by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

ROLES = ("root", "targets", "snapshot", "timestamp")
KEYS_OF = {"root": 2, "targets": 1, "snapshot": 1, "timestamp": 1}
"""Keys of each role; all of them must sign."""


class SigningError(Exception):
    """A key is missing, or cannot be used; the message says which."""


class Keys:
    """The private keys below a folder: `<role>-<n>.pem`.

    Which of them are in use the tree's root says; others are kept until a person
    removes them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self) -> None:
        """Make the keys of all roles.

        Raises:
            SigningError: There are keys already.
        """
        if self._folder.is_dir() and any(self._folder.glob("*.pem")):
            raise SigningError(f"{self._folder} holds keys already")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in ROLES:
            for _ in range(KEYS_OF[role]):
                self.add(role)

    def add(self, role: str) -> CryptoSigner:
        """Make one more key of a role."""
        number = max(self._numbers(role), default=0) + 1
        signer = CryptoSigner.generate_ed25519()
        path = self._folder / f"{role}-{number}.pem"
        write_whole(path, signer.private_bytes, mode=0o600)
        return signer

    def signers(self, role: str) -> tuple[CryptoSigner, ...]:
        """Return all keys of a role, oldest first.

        Raises:
            SigningError: One cannot be used.
        """
        numbers = sorted(self._numbers(role))
        return tuple(self._load(self._folder / f"{role}-{n}.pem") for n in numbers)

    def _numbers(self, role: str) -> list[int]:
        names = (path.stem.rpartition("-") for path in self._folder.glob("*.pem"))
        return [int(number) for name, _, number in names if name == role]

    def _load(self, path: Path) -> CryptoSigner:
        try:
            return CryptoSigner(load_pem_private_key(path.read_bytes(), None))
        except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise SigningError(f"{path} is no key of ours: {error}") from error
