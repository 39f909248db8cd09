"""By how much a server's clock was off, kept over our restart.

With `clock = "replace"` what is stored bears our time. To ask the server's history for
what came after it, one must know what was taken off the server's times then.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from appliance.runtime.files import write_whole
from appliance.runtime.places import state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.opcua.config import OpcuaSettings

log = logging.getLogger(__name__)

_KEY = "taken_off_ns"


class ClockMemory:
    """A small file in the state folder, for a source that replaces times."""

    def __init__(self, settings: OpcuaSettings) -> None:
        self._name = settings.name
        self._replaces = settings.clock == "replace"
        self._kept_ns: int | None = None

    def recall(self) -> int | None:
        """Return what was kept, None where there is nothing that can be used."""
        if not self._replaces:
            return None
        try:
            kept = json.loads(self._path.read_bytes())[_KEY]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("%s is not used: %s", self._path, error)
            return None
        self._kept_ns = kept if isinstance(kept, int) else None
        return self._kept_ns

    def keep(self, taken_off_ns: int) -> None:
        """Write it down if it is news. A disk that refuses is logged."""
        if not self._replaces or taken_off_ns == self._kept_ns:
            return
        try:
            self._path.parent.mkdir(mode=0o750, exist_ok=True)
            write_whole(self._path, json.dumps({_KEY: taken_off_ns}).encode())
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error)
        self._kept_ns = taken_off_ns

    @property
    def _path(self) -> Path:
        return state_dir() / "opcua" / f"{self._name}.clock.json"
