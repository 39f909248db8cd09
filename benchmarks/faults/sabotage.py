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
from appliance.safety import logic, ring, scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.safety.turn import Turn

SLOW_DISK_S = 5.0
LINES_PER_SCAN = 200
log = logging.getLogger("saboteur")


def sabotage(flags: Path) -> None:
    """Stand where the scan judges, where the journal writes, where time is told."""
    for place, name, bad in (
        (scan, "step", bad_step(flags)),
        (ring.Ring, "write", bad_write(flags)),
        (time, "time_ns", bad_time_ns(flags)),
    ):
        setattr(place, name, bad)


def bad_step(flags: Path) -> Callable[..., Turn]:
    """Return a decision that raises, never ends, or chatters, when told to."""
    step = logic.step

    def instead(*given: Any) -> Turn:  # noqa: ANN401 - as the original
        if (flags / "raise").exists():
            raise RuntimeError("sabotage")
        while (flags / "hang").exists():
            pass
        if (flags / "chatter").exists():
            for line in range(LINES_PER_SCAN):
                log.warning("line %d of many %s", line, "x" * 200)
        return step(*given)

    return instead


def bad_write(flags: Path) -> Callable[..., None]:
    """Return a disk that is full or slow, when told to."""
    write = ring.Ring.write

    def instead(*given: Any) -> None:  # noqa: ANN401 - as the original
        if (flags / "disk-full").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if (flags / "slow-disk").exists():
            time.sleep(SLOW_DISK_S)
        write(*given)

    return instead


def bad_time_ns(flags: Path) -> Callable[[], int]:
    """Return a wall clock that is off by as much as it is told."""
    time_ns = time.time_ns

    def instead() -> int:
        off = flags / "clock"
        return time_ns() + (int(off.read_text()) * 10**9 if off.exists() else 0)

    return instead


if __name__ == "__main__":
    sabotage(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
