"""Where this process keeps its state, for parts that nobody hands a path."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "WHEELTAPPER_STATE_DIR"
_DEFAULT = Path("/var/lib/wheeltapper")


def state_dir() -> Path:
    """Return the state folder of this process, as it was started."""
    return Path(os.environ.get(_VARIABLE, _DEFAULT))


def use_state_dir(path: Path) -> None:
    """Say once, at the start of a process, where its state is; children inherit it."""
    os.environ[_VARIABLE] = str(path)
