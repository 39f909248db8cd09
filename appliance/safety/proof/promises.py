"""What no scan of an element may break, told from its inputs alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.safety.maintenance import Phase
from appliance.safety.proof.classes import BAD, FROZEN, LATE, LOST
from appliance.safety.proof.clock import NOW_S
from appliance.safety.proof.expected import NEVER
from appliance.safety.proof.move import NO, YES, Move, played

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.safety.latch import Latch
    from appliance.safety.proof.expected import Expected, Seen
    from appliance.safety.turn import Matrix, Order, State, Turn

P1 = "P1: a demand that outlasts its on-delay stops in the same scan"
P2 = "P2: no reset under a demand, or on what is not good or not stopped"
P3 = "P3: no way from stopped to running without an operator's edge"
P4 = "P4: a bypass that ends in a demand stops at once"
P5 = "P5: bad, or late beyond its limit, is never taken for safe"
P6 = "P6: a model never permits what its silence would not"
P7 = "P7: a hand-over to the PLC never hides a demand"
STOP = "a person's stop stops in the same scan"
CAUSELESS = "no stop without a demand"
RESET = "a reset is permitted when all is proved"
HEARTBEAT = "no heartbeat in observe, from memory, or after a stop that failed"
FIRST_OUT = "a trip has a first-out, and it stays first"
PROMISES = (
    P1, P2, P3, P4, P5, P6, P7, STOP, CAUSELESS, RESET, HEARTBEAT, FIRST_OUT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of the element walk.

    `rows` is what each row must come to, `free` the places of its channels that no
    bypass takes out. `told_run`: the element was last told to run. `names` of the rows'
    postures are for people.
    """

    matrix: Matrix
    rows: Mapping[str, Expected]
    free: Mapping[str, frozenset[int]]
    names: str
    before: State
    told_run: bool
    move: Move
    turn: Turn

    @property
    def was(self) -> Latch:
        """The latch before."""
        (latch,) = self.before.latches.values()
        return latch

    @property
    def now(self) -> Latch:
        """The latch after."""
        (latch,) = self.turn.state.latches.values()
        return latch

    @property
    def order(self) -> Order:
        """What the element is told."""
        (order,) = self.turn.orders.values()
        return order

    @property
    def released(self) -> bool:
        """Whether the latch was let go."""
        return self.was.tripped and not self.now.tripped

    @property
    def returning(self) -> bool:
        """Whether this life had not yet decided to take over."""
        standing = self.before.handover
        return standing is not None and standing.phase is Phase.RETURNING

    @property
    def pressed(self) -> bool:
        """Whether this scan has the edge of a reset."""
        return bool(self.move.resets - self.before.reset_before)

    @property
    def demanded(self) -> bool:
        """Whether a row must stop the element in this scan."""
        return any(each.demands for each in self.rows.values())


def broken(scan: Scan) -> Iterator[str]:
    """Yield every promise that a scan breaks."""
    order, armed = scan.order, scan.turn.state.armed
    if scan.demanded and order.may_run:
        yield P1
    if "stop" in scan.move.acts and order.may_run:
        yield STOP
    if scan.released and not (scan.pressed or scan.returning):
        yield P3
    if order.may_run and armed and not (scan.told_run or scan.released):
        yield P3
    yield from _reset(scan)
    yield from _told(scan)
    if not scan.was.tripped and scan.now.tripped and not _may_trip(scan):
        yield CAUSELESS
    yield from _handover(scan)
    if not _model_only_demands(scan):
        yield P6


def _reset(scan: Scan) -> Iterator[str]:
    allowed = scan.was.tripped and _may_reset(scan)
    if scan.released and not scan.returning and not allowed:
        yield P2
    if scan.pressed and allowed and not scan.returning and scan.now.tripped:
        yield RESET


def _may_reset(scan: Scan) -> bool:
    """Say whether all that a reset needs is proved by the inputs."""
    move = scan.move
    rows = all(_is_good(scan, name) for name in scan.rows)
    return rows and not move.missing and "stop" not in move.acts and _has_stopped(scan)


def _is_good(scan: Scan, name: str) -> bool:
    row = next(each for each in scan.matrix.rows if each.id == name)
    known, free = scan.rows[name], scan.free[name]
    sound = all(known.channels[n].sound and not known.channels[n].late for n in free)
    return known.lasts == NEVER and (sound or row.source == "model")


def _has_stopped(scan: Scan) -> bool:
    (element,) = scan.matrix.elements
    still = element.feedback is None or scan.move.runs == NO
    return not scan.turn.state.armed or (still and scan.move.obeys)


def _told(scan: Scan) -> Iterator[str]:
    order, was, now = scan.order, scan.was, scan.now
    if order.beat and (not scan.turn.state.armed or now.stop_failed):
        yield HEARTBEAT
    if order.may_run is now.tripped:
        yield FIRST_OUT
    if not order.hold and bool(now.first_out) is not now.tripped:
        yield FIRST_OUT
    if not scan.released and now.causes[: len(was.causes)] != was.causes:
        yield FIRST_OUT


def _may_trip(scan: Scan) -> bool:
    """Say whether the inputs hold a reason to stop."""
    armed = scan.turn.state.armed and not scan.before.armed
    since_s = scan.was.unwritten_since_s
    lost = since_s is not None and since_s < NOW_S and not scan.move.obeys
    paused = scan.move.pause and math.isfinite(scan.matrix.longest_pause_s)
    return scan.demanded or "stop" in scan.move.acts or armed or lost or paused


def _handover(scan: Scan) -> Iterator[str]:
    """A life takes over, or waits, only where nothing at all speaks against it."""
    standing = scan.turn.state.handover
    if scan.returning and scan.released and not _may_take_over(scan):
        yield P7
    if scan.order.hold and _speaks_against(scan):
        yield P7
    granted = standing is not None and standing.phase is Phase.GRANTED
    kept = scan.order.may_run and scan.move.granted == YES
    if granted and not (kept and all(_is_calm(scan, name) for name in scan.rows)):
        yield P7


def _may_take_over(scan: Scan) -> bool:
    heard = all(
        each.heard and not each.beyond
        for name, known in scan.rows.items()
        if _is_field(scan, name)
        for each in known.channels
    )
    calm = all(_is_calm(scan, name) for name in scan.rows)
    world = scan.move.granted == YES and scan.move.runs == YES
    return heard and calm and world and not _is_ended(scan) and scan.told_run


def _speaks_against(scan: Scan) -> bool:
    """Say whether a demand, a bad input or a person is seen while it waits."""
    said = NO in {scan.move.granted, scan.move.runs} or "stop" in scan.move.acts
    seen = any(
        _is_wrong(each, word)
        for name, known in scan.rows.items()
        if _is_field(scan, name)
        for each, word in zip(known.channels, scan.move.words[name], strict=True)
    )
    model = any(
        known.lasts != NEVER
        for name, known in scan.rows.items()
        if not _is_field(scan, name)
    )
    return said or seen or model or _is_ended(scan)


def _is_wrong(each: Seen, word: str) -> bool:
    lost = word in {BAD, FROZEN} or (each.heard and word in {LATE, LOST})
    return lost or (each.sound and (each.beyond or each.late))


def _is_ended(scan: Scan) -> bool:
    standing = scan.before.handover
    disarmed = "disarm" in scan.move.acts
    return disarmed or (standing is not None and standing.until_s <= NOW_S)


def _is_calm(scan: Scan, name: str) -> bool:
    """Say whether a row is proved with all of its channels, none bypassed."""
    known = scan.rows[name]
    whole = len(scan.free[name]) == len(known.channels)
    return whole and known.bare == NEVER and _is_good(scan, name)


def _is_field(scan: Scan, name: str) -> bool:
    return any(row.id == name and row.source == "field" for row in scan.matrix.rows)


def _model_only_demands(scan: Scan) -> bool:
    """Say whether the same scan with every model silent would permit no less."""
    models = {row.id for row in scan.matrix.rows if row.source == "model"}
    if not models:
        return True
    words = {
        name: (LOST,) if name in models else each
        for name, each in scan.move.words.items()
    }
    silent = played(scan.matrix, scan.before, replace(scan.move, words=words))
    (order,) = silent.orders.values()
    return order.may_run or not scan.order.may_run
