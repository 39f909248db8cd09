"""Where a key or a password lies: a path, or a credential that systemd handed over."""

from __future__ import annotations

import os
from pathlib import Path


def credential_path(name: str | Path) -> Path:
    """Return the file that a configuration means by `name`.

    A bare name (no `/`) is a credential, where systemd handed over any
    (`LoadCredential=` in systemd.exec(5)); all else is a path as it stands.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and "/" not in str(name):
        return Path(folder) / name
    return Path(name)
