"""The safety process with a saboteur inside, who waits for flags in a folder.

    python -m benchmarks.faults.sabotage FLAGS safety -c CONFIG …

`raise`, `hang`: the scan does. `disk-full`, `slow-disk`: the journal's writes fail, or
take 5 s. `chatter`: 200 lines of log a scan. `clock`: the wall clock is off by as many
seconds as the file says.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli import main
from appliance.runtime import clock
from appliance.safety import ring, scan

if TYPE_CHECKING:
    from appliance.safety.turn import Turn

SLOW_DISK_S = 5.0
LINES_PER_SCAN = 200
log = logging.getLogger("saboteur")


def sabotage(flags: Path) -> None:
    """Stand where the scan judges, where the journal writes, where time is told."""
    step, write, time_ns = scan.step, ring.Ring.write, time.time_ns

    def bad_step(*given: Any) -> Turn:  # noqa: ANN401 - as the original
        if (flags / "raise").exists():
            raise RuntimeError("sabotage")
        while (flags / "hang").exists():
            pass
        if (flags / "chatter").exists():
            for line in range(LINES_PER_SCAN):
                log.warning("line %d of many %s", line, "x" * 200)
        return step(*given)

    def bad_write(self: ring.Ring, *given: Any) -> None:  # noqa: ANN401 - as the original
        if (flags / "disk-full").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if (flags / "slow-disk").exists():
            time.sleep(SLOW_DISK_S)
        write(self, *given)

    def bad_time_ns() -> int:
        off = flags / "clock"
        return time_ns() + (int(off.read_text()) * 10**9 if off.exists() else 0)

    scan.step = bad_step
    ring.Ring.write = bad_write  # type: ignore[method-assign] # the sabotage itself
    clock.time.time_ns = bad_time_ns


if __name__ == "__main__":
    sabotage(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
