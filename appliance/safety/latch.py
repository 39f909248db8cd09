"""One final element: tripped until reset, why first, whether it stopped. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.config import ElementSettings
    from appliance.safety.channel import Reading

POWER_UP = "power-up"
ARMING = "arming"
OPERATOR_STOP = "operator's stop"
SCAN_OVERRUN = "scan overrun"
OUTPUT_LOST = "output lost"
_STOPPED_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of the writing.

    `point` is the run point as last read back, None where it is not known; `written`
    whether the last write succeeded.
    """

    point: bool | None = None
    written: bool = True


@dataclass(frozen=True, slots=True)
class Latch:
    """What a final element remembers.

    `causes` are the reasons since the last reset, the first-out first.
    `unstopped_since_s`: tripped, without evidence of the stop. `unwritten_since_s`:
    its writes fail.
    """

    tripped: bool
    causes: tuple[str, ...] = ()
    stopped: bool = False
    unstopped_since_s: float | None = None
    stop_failed: bool = False
    unwritten_since_s: float | None = None

    @property
    def first_out(self) -> str:
        """The reason that came first, or nothing."""
        return self.causes[0] if self.causes else ""


def tripped_by(latch: Latch, reasons: Sequence[str], now_s: float) -> Latch:
    """Return the latch after reasons to stop, in their order; the first stays first."""
    new = tuple(each for each in reasons if each not in latch.causes)
    if not new:
        return latch
    causes = latch.causes + new
    if latch.tripped:
        return replace(latch, causes=causes)
    return replace(
        latch, tripped=True, causes=causes, stopped=False, unstopped_since_s=now_s
    )


def released() -> Latch:
    """Return the latch after a permitted reset. The machine is not started by it."""
    return Latch(tripped=False)


def is_lost(latch: Latch, element: ElementSettings, now_s: float) -> bool:
    """Say whether nothing could be written for longer than a stop may take."""
    since_s = latch.unwritten_since_s
    return since_s is not None and now_s - since_s >= element.confirm_within_s


def watch_writing(latch: Latch, report: Report, now_s: float) -> Latch:
    """Note since when writing fails."""
    since_s = latch.unwritten_since_s
    if report.written is (since_s is None):
        return latch
    return replace(latch, unwritten_since_s=None if report.written else now_s)


def unwatched(latch: Latch) -> Latch:
    """Return the latch of observe mode: nothing is written, so nothing is proved."""
    return replace(
        latch,
        stopped=False,
        unstopped_since_s=None,
        stop_failed=False,
        unwritten_since_s=None,
    )


def watch_stop(
    latch: Latch, element: ElementSettings, *, stopped: bool, now_s: float
) -> Latch:
    """Note whether a tripped element has stopped, or failed to within its time."""
    if not latch.tripped or stopped:
        settled = latch.unstopped_since_s is None and not latch.stop_failed
        if settled and latch.stopped is stopped:
            return latch
        return replace(
            latch, stopped=stopped, unstopped_since_s=None, stop_failed=False
        )
    since_s = now_s if latch.unstopped_since_s is None else latch.unstopped_since_s
    failed = latch.stop_failed or now_s - since_s >= element.confirm_within_s
    return replace(latch, stopped=False, unstopped_since_s=since_s, stop_failed=failed)


def has_stopped(
    element: ElementSettings, report: Report, feedback: Reading | None, now_s: float
) -> bool:
    """Say whether it is proved: the point reads 0 and so does the feedback, if any.

    A feedback older than half of `confirm_within_s` proves nothing.
    """
    if report.point is not False:
        return False
    if element.feedback is None:
        return True
    if feedback is None or now_s - feedback.at_s > element.confirm_within_s / 2:
        return False
    value = feedback.sample.trusted_value
    return value is not None and abs(value) <= _STOPPED_BELOW
