"""The one place that reads the clock."""

from __future__ import annotations

import asyncio
import ctypes
import time
from dataclasses import dataclass
from pathlib import Path

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5
_PAIRS = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_libc = ctypes.CDLL(None)


class SystemClock:
    """The machine's own clocks (see `domain.ports.Clock`)."""

    def utc_ns(self) -> int:
        """Wall clock, nanoseconds since 1970."""
        return time.time_ns()

    def now_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; a negative time only yields to other tasks."""
        await asyncio.sleep(max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Both clocks at one moment, and whether somebody keeps the wall clock right."""

    monotonic_ns: int
    wall_ns: int
    synchronised: bool
    boot_id: str


class MachineClocks:
    """Reads both clocks of this machine. `monotonic_ns` counts from the boot."""

    def __init__(self) -> None:
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()

    def monotonic_ns(self) -> int:
        """Nanoseconds since the boot, sleep included; never steps."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def read(self) -> ClockReading:
        """Read both, as close together as a few attempts allow."""
        monotonic_ns, wall_ns = min(
            (self._pair() for _ in range(_PAIRS)), key=lambda pair: pair[0]
        )[1:]
        return ClockReading(monotonic_ns, wall_ns, is_synchronised(), self._boot_id)

    def _pair(self) -> tuple[int, int, int]:
        before = self.monotonic_ns()
        wall_ns = time.time_ns()
        after = self.monotonic_ns()
        return after - before, (before + after) // 2, wall_ns


class _Timex(ctypes.Structure):
    """The beginning of struct timex of adjtimex(2); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def is_synchronised() -> bool:
    """Tell whether a time service says that it keeps the wall clock right.

    The kernel knows (adjtimex(2)), from chrony, ntpd or timesyncd; the last one leaves
    a file, too, where the kernel may not be asked.
    """
    asked = _Timex()
    state = _libc.adjtimex(ctypes.byref(asked))
    if state < 0:
        return _TIMESYNC.exists()
    return state != _TIME_ERROR and not asked.status & _STA_UNSYNC
