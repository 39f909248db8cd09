"""The simulated plant as a process that several tests look at."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 240.0


@contextmanager
def running_plant(*words: str) -> Iterator[dict[str, Any]]:
    """Run `python -m sim_plant`; yield its ready line.

    Raises:
        TimeoutError: It did not say that it was ready.
    """
    line = (sys.executable, "-m", "sim_plant", *words)
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], WITHIN_S)[0]:
                raise TimeoutError("the plant is not ready")
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
