"""The hub, on clocks that a file sets: the wall clock steps, the boot's does not.

Run as a program in place of `appliance hub`; the environment names the file.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli import main
from appliance.hub import process
from appliance.runtime.clock import MachineClocks

if TYPE_CHECKING:
    from appliance.runtime.clock import ClockReading

OFFSET_FILE = "LEDGER_CLOCK_OFFSET"


def offset_ns() -> int:
    """Return by how much the wall clock is wrong now."""
    return int(Path(os.environ[OFFSET_FILE]).read_text(encoding="ascii"))


class SteppedClocks(MachineClocks):
    """Both clocks of the machine; a time service vouches for the one that is right."""

    def read(self) -> ClockReading:
        """Read both."""
        right, wrong_by_ns = super().read(), offset_ns()
        return replace(
            right, wall_ns=right.wall_ns + wrong_by_ns, synchronised=not wrong_by_ns
        )


if __name__ == "__main__":
    process.run = partial(process.run, clocks=SteppedClocks())
    sys.exit(main())
