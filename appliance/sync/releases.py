"""Looks for released models every period, by a short-lived child.

Verification needs libraries that a process that stays should not carry, and a child
that fails takes nothing with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.config import UpdatesSettings
    from appliance.domain.ports import Clock

log = logging.getLogger(__name__)

NICE = 10
WITHIN_S = 600.0


class ReleaseChecks:
    """Runs `updates fetch` again and again; what it says last is `status`."""

    def __init__(
        self, settings: UpdatesSettings, command: Sequence[str], *, clock: Clock
    ) -> None:
        self._period_s = settings.period_s
        self._command = command
        self._clock = clock
        self._last: Mapping[str, Any] = {}
        self._checks = 0
        self._failures = 0

    def status(self) -> Mapping[str, Any]:
        """Return how often it looked, how often in vain, and the last word."""
        return {"checks": self._checks, "failures": self._failures, "last": self._last}

    async def run(self) -> None:
        """Look until cancelled; a look that fails is told once and tried again."""
        while True:
            await self._look()
            await self._clock.sleep(self._period_s)

    async def _look(self) -> None:
        before = self._last
        try:
            async with asyncio.timeout(WITHIN_S):
                said = await _output_of(self._command)
            self._last = _word_of(said)
        except (TimeoutError, OSError, ValueError) as error:
            self._last = {"refusal": "failed", "said": f"the look failed: {error}"}
        self._checks += 1
        self._failures += bool(self._last["refusal"])
        if (self._last["refusal"], self._last["said"]) != (
            before.get("refusal", ""),
            before.get("said", ""),
        ):
            level = logging.WARNING if self._last["refusal"] else logging.INFO
            log.log(level, "releases: %s", self._last["said"])


def fetch_command(config: Path, *, state_dir: Path, run_dir: Path) -> tuple[str, ...]:
    """Return the command line of one look."""
    return (
        sys.executable, "-m", "appliance", "updates", "fetch", "--json",
        "-c", str(config), "--state-dir", str(state_dir), "--run-dir", str(run_dir),
        "--nice", str(NICE),
    )  # fmt: skip


async def _output_of(command: Sequence[str]) -> tuple[bytes, bytes]:
    """Run a command to its end; if we are cancelled, it ends too."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        return await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _word_of(said: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return one refusal and one sentence for the whole look.

    Raises:
        ValueError: It ended without a word; the message is what it complained of.
    """
    output, complaint = said
    try:
        found = json.loads(output)
    except ValueError as error:
        raise ValueError(complaint.decode(errors="replace").strip()) from error
    outcomes = found["outcomes"]
    refusal = found["refusal"] or next(
        (each["refusal"] for each in outcomes if each["refusal"]), ""
    )
    sentences = [found["said"], *(each["said"] for each in outcomes)]
    return {"refusal": refusal, "said": "; ".join(filter(None, sentences))}
