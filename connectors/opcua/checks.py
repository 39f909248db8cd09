"""What every batch of a source undergoes, and what was found thereby."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.opcua.clock_memory import ClockMemory
from connectors.opcua.clockwatch import ClockWatch
from connectors.opcua.filters import DeadbandHere
from connectors.opcua.identity import Identity
from connectors.opcua.overflow import Overflows
from connectors.opcua.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.diagnostic import Diagnostic
    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings


class Checks:
    """Identity, clock, deadband, overflow and refusals of one source."""

    def __init__(self, settings: OpcuaSettings, numbers: Mapping[TagId, int]) -> None:
        names = {number: tag for tag, number in numbers.items()}
        self._recalled = False
        self._kept_ns: int | None = None
        self.identity = Identity()
        self.refusals = Refusals()
        self.overflows = Overflows(names)
        self.deadband = DeadbandHere()
        self.memory = ClockMemory(settings)
        self.clock = ClockWatch(
            policy=settings.clock,
            tolerance_s=settings.clock_tolerance_s,
            names=names,
        )

    def recall(self) -> int | None:
        """Begin with what was taken off the server's times before; return it if known.

        Once: what has been seen since is newer.
        """
        if not self._recalled:
            self._recalled = True
            self._kept_ns = self.memory.recall()
            if self._kept_ns is not None:
                self.clock.recall(self._kept_ns)
        return self._kept_ns

    def judge(self, batch: Batch) -> Batch:
        """Return the batch with its times judged: what historical values undergo."""
        return self.clock.judge(batch)

    def judge_live(self, batch: Batch, now_s: float) -> Batch:
        """Return what is to be told of a live batch."""
        self.overflows.see(batch, now_s)
        return self.deadband.sift(self.clock.judge(batch))

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What stands now."""
        return (
            *self.identity.diagnostics,
            *self.refusals.diagnostics,
            *self.clock.diagnostics,
            *self.overflows.diagnostics,
        )
