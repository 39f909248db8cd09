"""Hold the measured branch coverage against the gates; exit 1 if one is missed.

Run after `coverage combine`. 100 % where a missed branch can stop a machine wrongly,
or let it run wrongly; 90 % elsewhere, room by room.
"""

from __future__ import annotations

import fnmatch
import sys
from collections import defaultdict

from coverage import Coverage

WHOLE = (
    "appliance/domain/*",
    "appliance/safety/*",
    "appliance/updates/trust.py",
    "appliance/alarms/lifecycle.py",
)
ELSEWHERE_PCT = 90.0


def main() -> int:
    """Print a line per room and gate."""
    reached: dict[str, int] = defaultdict(int)
    possible: dict[str, int] = defaultdict(int)
    coverage = Coverage()
    coverage.load()
    for path in coverage.get_data().measured_files():
        numbers = coverage._analyze(path).numbers
        executed, total = numbers.ratio_covered
        room = room_of(path)
        reached[room] += executed
        possible[room] += total
    missed = 0
    for room in sorted(possible):
        if not possible[room]:
            continue  # a docstring alone: there is nothing to reach
        percent = 100.0 * reached[room] / possible[room]
        gate = 100.0 if room in WHOLE else ELSEWHERE_PCT
        well = percent >= gate
        missed += not well
        sys.stdout.write(
            f"{percent:6.1f} % of {room:34} gate {gate:5.1f} %"
            f"{'' if well else '   MISSED'}\n"
        )
    return 1 if missed else 0


def room_of(path: str) -> str:
    """Return the gate pattern, or the package of at most two parts, of a file."""
    for pattern in WHOLE:
        if fnmatch.fnmatch(path, f"*/{pattern}"):
            return pattern
    parts = path.split("/")
    roots = ("appliance", "connectors", "models", "fleet", "sim_plant")
    start = max(parts.index(root) for root in roots if root in parts)
    return "/".join(parts[start:-1][:2]) or parts[-1]


if __name__ == "__main__":
    sys.exit(main())
